// @ts-check
/** How uPlot is to draw a chart: scales, axes, lines and what is filled between them. */

import { faded, palette, seriesColour } from "../page/palette.js";
import { zoned } from "../time/moments.js";
import { rowAxis, timeAxis, valueAxis } from "./axes.js";
import { filledBetween } from "./drawn.js";
import { LANE } from "./marker_drawing.js";

/** @typedef {import("../machine/charts.js").ChartSpec} ChartSpec */
/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */
/** @typedef {import("./drawn.js").ColumnRole} ColumnRole */
/** @typedef {import("uplot")} Plot */

/** A drag shorter than this many pixels is a click. */
const SHORTEST_DRAG = 5;
/** What the charts of a page say to each other: the cursor, but not what is dragged. */
const SHARED = ["mousemove", "mouseleave"];

/**
 * What is drawn. `unit` is what values are written in; `span` the time that is shown.
 * @typedef {{spec: ChartSpec, unit: string, series: ChartSeries[], roles: ColumnRole[],
 *   span: () => [from: number, to: number]}} Drawing
 */

/**
 * @param {Drawing} drawing
 * @param {{width: number, height: number}} size in pixels
 * @param {import("uplot").Hooks.Arrays} hooks
 * @returns {import("uplot").Options}
 */
export function plotOptions(drawing, size, hooks) {
  const { spec, unit, series, roles } = drawing;
  const heat = spec.form === "heat";
  return {
    ...size,
    // Above, the heads of marks; on the right half a label of the time axis fits.
    padding: [LANE, 26, 0, 0],
    legend: { show: false },
    tzDate: zoned,
    cursor: {
      drag: { x: true, y: false, setScale: false, dist: SHORTEST_DRAG },
      // Its own would go back to all there is, which is what uPlot happens to have.
      bind: { dblclick: () => null },
      points: { show: false },
      sync: { key: "page", scales: ["x", null], filters: { pub: shared, sub: shared } },
      y: heat,
    },
    scales: {
      x: { time: true, range: () => drawing.span() },
      y: { range: (_, least, most) => valueRange(drawing, least, most) },
    },
    axes: [timeAxis(), heat ? rowAxis(series.map((one) => one.label)) : valueAxis(unit, spec.form === "mirror")],
    series: [{}, ...roles.map((role) => lineOf(drawing, role))],
    bands: heat ? [] : bandsOf(drawing),
    hooks,
  };
}

/** @param {string} type of a mouse event */
function shared(type) {
  return SHARED.includes(type);
}

/**
 * @param {Drawing} drawing
 * @param {ColumnRole} role
 * @returns {import("uplot").Series}
 */
function lineOf({ spec, series, roles }, role) {
  if (spec.form === "heat") return { paths: () => null, points: { show: false } };
  const one = series[role.series];
  const colour = seriesColour(one.colour);
  const edge = role.part !== "line";
  const first = one.stacked && role === roles[0];
  return {
    stroke: edge ? "transparent" : colour,
    width: edge ? 0 : one.stacked || one.colour < 0 ? 1 : 1.5,
    fill: first ? faded(colour, 0.35) : undefined,
    dash: !edge && one.colour >= palette().series.length ? [5, 3] : undefined,
    spanGaps: false,
    // A sample between two gaps has no line: a point keeps it visible.
    points: edge || one.stacked ? { show: false } : { size: 3, width: 0, fill: colour, filter: lonePoints },
  };
}

/**
 * @param {Drawing} drawing
 * @returns {import("uplot").Band[]}
 */
function bandsOf({ roles, series }) {
  return filledBetween(roles, series).map(({ upper, lower }) => {
    const one = series[roles[upper].series];
    return { series: [upper + 1, lower + 1], fill: faded(seriesColour(one.colour), one.stacked ? 0.35 : 0.18) };
  });
}

/**
 * @param {Drawing} drawing
 * @param {number | null} least
 * @param {number | null} most
 * @returns {[number, number]}
 */
function valueRange({ spec, series, unit }, least, most) {
  if (spec.form === "heat") return [0, series.length];
  const floor = spec.atLeast ?? Number.EPSILON;
  if (spec.form === "mirror") {
    return [Math.min(-floor, (least ?? 0) * 1.08), Math.max(floor, (most ?? 0) * 1.08)];
  }
  const highest = Math.max(floor, (most ?? 1) * 1.08);
  const ceiling = unit === "percent" ? Math.min(100, highest) : highest;
  return [Math.min(0, least ?? 0), spec.top ?? ceiling];
}

/**
 * @param {Plot} plot
 * @param {number} series
 */
function lonePoints(plot, series) {
  const values = plot.data[series];
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) found.push(at);
  }
  return found;
}
