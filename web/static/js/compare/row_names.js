// @ts-check
/** The names of the rows of a heat map beside it: as many as there is room for, each shortened to what fits. */

import { FONT } from "../chart/axes.js";
import { setAttribute } from "../page/dom.js";
import { palette } from "../page/palette.js";

const LINE_PX = 14;
const WIDEST_PX = 150;
const GAP_PX = 8;
/** Of a plot, that names may take. */
const SHARE = 0.3;

/**
 * What a row is of: its machine, "" where all are of the same, and its instance, "" where the metric has but one.
 * @typedef {[machine: string, instance: string]} RowName
 */

/**
 * @param {RowName[]} names of the rows, from the top
 * @param {number} width of the whole plot in CSS pixels
 * @param {number} height
 * @returns {import("uplot").Axis}
 */
export function nameAxis(names, width, height) {
  const rows = names.length;
  const every = Math.max(1, Math.ceil((rows * LINE_PX) / height));
  const labelled = names.map((_, row) => row).filter((row) => row % every === 0);
  const most = Math.min(WIDEST_PX, width * SHARE);
  const measure = measureOf(FONT);
  const shown = labelled.map((row) => fitted(names[row], most, measure));
  return {
    stroke: palette().text,
    font: FONT,
    grid: { show: false },
    ticks: { show: false },
    size: Math.ceil(Math.max(0, ...shown.map(measure))) + 2 * GAP_PX,
    gap: GAP_PX,
    splits: () => labelled.map((row) => rows - row - 0.5),
    values: () => shown,
  };
}

/**
 * The whole name of the row that a pointer is at is the title of the names: they may be shortened, or not have room for each.
 * @param {import("uplot")} plot whose second axis has the names
 * @param {string[]} labels of the rows, from the top
 */
export function nameAtPointer(plot, labels) {
  const axis = /** @type {HTMLElement} */ (plot.root.querySelectorAll(".u-axis")[1]);
  axis.addEventListener("pointermove", (/** @type {PointerEvent} */ { offsetY }) => {
    const row = Math.floor((offsetY / axis.clientHeight) * labels.length);
    setAttribute(axis, "title", labels[row] ?? "");
  });
}

/**
 * Machine and instance in as much room as there is. The machine gives way, to its beginning: its rows differ by their
 * instances. An instance that would take more than half gives way too, in its middle: paths differ at their ends.
 * @param {RowName} name
 * @param {number} most in pixels
 * @param {(text: string) => number} measure
 */
export function fitted([machine, instance], most, measure) {
  if (!instance) return cutAt(machine, machine.length, (kept) => `${machine.slice(0, kept)}…`, most, measure);
  const before = machine && `${machine} `;
  const room = Math.max(most / 2, most - measure(before));
  const said = cutAt(instance, instance.length, (kept) => ends(instance, kept), room, measure);
  return cutAt(before + said, machine.length, (kept) => `${machine.slice(0, kept)}… ${said}`, most, measure);
}

/**
 * @param {string} text
 * @param {number} kept how many of its characters
 */
const ends = (text, kept) => `${text.slice(0, kept >> 1)}…${text.slice(text.length - kept + (kept >> 1))}`;

/**
 * The whole if it fits, or as many characters as do.
 * @param {string} whole
 * @param {number} length characters that can be left out
 * @param {(kept: number) => string} cut says it with so many of these
 * @param {number} most in pixels
 * @param {(text: string) => number} measure
 */
function cutAt(whole, length, cut, most, measure) {
  if (measure(whole) <= most) return whole;
  let [fits, over] = [0, length];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (measure(cut(middle)) <= most) fits = middle;
    else over = middle;
  }
  return cut(fits);
}

/**
 * @param {string} font
 * @returns {(text: string) => number} its width in CSS pixels
 */
function measureOf(font) {
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext("2d"));
  context.font = font;
  return (text) => context.measureText(text).width;
}
