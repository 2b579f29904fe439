// @ts-check
/** The axes of the charts: time below, values or the names of rows at the left. */

import { palette } from "../page/palette.js";
import { axisLabels, axisSteps } from "../page/units.js";
import { clock, day, isInUtc } from "../time/moments.js";
import { ticks } from "../time/ticks.js";

/** @typedef {import("uplot").Axis} Axis */

export const FONT = "11px system-ui, sans-serif";
const DAY = 86400;
/** As uPlot counts the steps that it offers. */
const YEAR = 365 * DAY;
/** Rows that have their names beside them; more would touch. */
const MOST_ROW_LABELS = 8;

/** @returns {Axis} */
export function timeAxis() {
  return {
    stroke: palette().text,
    font: FONT,
    grid: { stroke: palette().grid, width: 1 },
    ticks: { show: false },
    size: 24,
    gap: 6,
    space: 56,
    // Its own are wrong where the zone that is written is not the browser's and one of them changes its clocks.
    splits: (_plot, _axis, from, to, step) => ticks(from, to, step, isInUtc()),
    values: (_plot, times, _axis, _space, step) => times.map((time) => timeLabel(time, step)),
  };
}

/**
 * @param {string} unit
 * @param {boolean} mirrored values below zero are the amounts of another direction
 * @returns {Axis}
 */
export function valueAxis(unit, mirrored) {
  return {
    stroke: palette().text,
    font: FONT,
    grid: { stroke: palette().grid, width: 1 },
    ticks: { show: false },
    size: 66,
    gap: 6,
    space: 28,
    incrs: axisSteps(unit),
    values: (_, values) => axisLabels(values, unit, mirrored),
  };
}

/**
 * @param {string[]} labels of the rows, from the top
 * @returns {Axis}
 */
export function rowAxis(labels) {
  const rows = labels.length;
  const every = Math.max(1, Math.ceil(rows / MOST_ROW_LABELS));
  const labelled = labels.map((_, row) => row).filter((row) => row % every === 0);
  return {
    stroke: palette().text,
    font: FONT,
    grid: { show: false },
    ticks: { show: false },
    size: 66,
    gap: 6,
    splits: () => labelled.map((row) => rows - row - 0.5),
    values: () => labelled.map((row) => labels[row]),
  };
}

/**
 * @param {number} time
 * @param {number} step seconds between labels
 */
function timeLabel(time, step) {
  if (step >= YEAR) return day(time).slice(0, 4);
  if (step >= DAY || clock(time) === "00:00:00") return day(time).slice(5);
  return clock(time, step < 60);
}
