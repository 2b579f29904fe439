// @ts-check
/** How uPlot is to draw a chart: scales, axes, lines and what is filled between them. */

import { dashOf, faded, palette, seriesColour } from "../page/palette.js";
import { rowAxis, timeAxis, valueAxis } from "./axes.js";
import { filledBetween } from "./drawn.js";
import { LANE } from "./marker_drawing.js";
import { valueRange } from "./value_range.js";

/** @typedef {import("../machine/charts.js").ChartSpec} ChartSpec */
/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */
/** @typedef {import("./drawn.js").ColumnRole} ColumnRole */
/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {import("uplot")} Plot */

/** A drag shorter than this many pixels is a click. */
const SHORTEST_DRAG = 5;
/** How far from a line the cursor still means it, where one can be brought out. */
const NEAR_PX = 24;
/** What is left of lines that are not meant. */
const FADED = 0.2;
/** What the charts of a page say to each other: the cursor, but not what is dragged. */
const SHARED = ["mousemove", "mouseleave"];

/**
 * What is drawn. `unit` is what values are written in; `span` the time that is shown; `focuses` says that the line near the
 * cursor is brought out; `hidden` are series that are not drawn.
 * @typedef {{spec: ChartSpec, unit: string, series: ChartSeries[], roles: ColumnRole[], timeline: Timeline | null,
 *   focuses: boolean, hidden: Set<number>, span: () => [from: number, to: number]}} Drawing
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
    cursor: {
      drag: { x: true, y: false, setScale: false, dist: SHORTEST_DRAG },
      // Its own would go back to all there is, which is what uPlot happens to have.
      bind: { dblclick: () => null },
      points: { show: false },
      sync: { key: "page", scales: ["x", null], filters: { pub: shared, sub: shared } },
      y: heat,
      focus: { prox: drawing.focuses ? NEAR_PX : -1, dist: (plot, column, row, at, to) => apart(drawing, plot, column, row, at, to) },
    },
    focus: { alpha: FADED },
    scales: {
      x: { time: true, range: () => drawing.span() },
      y: { range: (_, least, most) => valueRange(spec, unit, series.length, least, most) },
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
function lineOf({ spec, series, roles, hidden }, role) {
  if (spec.form === "heat") return { paths: () => null, points: { show: false } };
  if (role.series < 0) return { stroke: palette().text, width: 1, points: { show: false } };
  const one = series[role.series];
  const colour = seriesColour(one.colour);
  const edge = role.part === "high" || role.part === "low";
  const first = role === roles[0] && one.stacked;
  return {
    show: !hidden.has(role.series),
    stroke: edge ? "transparent" : colour,
    width: edge ? 0 : one.stacked || one.colour < 0 ? 1 : 1.5,
    fill: first ? faded(colour, 0.35) : undefined,
    dash: edge ? undefined : dashOf(one.colour),
    spanGaps: false,
    // A sample between two gaps has no line: a point keeps it visible.
    points: edge || one.stacked ? { show: false } : { size: 3, width: 0, fill: colour, filter: lonePoints },
  };
}

/**
 * How far the cursor is from a line, in pixels: from its mean or its greatest reading, whichever is nearer.
 * @param {Drawing} drawing
 * @param {Plot} plot
 * @param {number} column
 * @param {number} row
 * @param {number} at of the value
 * @param {number} to of the cursor
 */
function apart({ roles, series, timeline }, plot, column, row, at, to) {
  const { series: of, part } = roles[column - 1];
  if (of < 0) return Infinity;
  const { key, down } = series[of];
  const max = timeline?.columns.get(key)?.max[row] ?? null;
  if (part !== "line" || max === null) return Math.abs(at - to);
  return Math.min(Math.abs(at - to), Math.abs(plot.valToPos(down ? -max : max, "y") - to));
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
