// @ts-check
/** Draws a heat map inside a chart: one row per series, colour by value. */

import { faded, palette } from "../page/palette.js";

/** Steps of colour: few enough to keep, more than an eye tells apart. */
const SHADES = 32;

/**
 * @param {import("uplot")} plot its columns are the rows of the map
 * @param {number} top the value of the fullest colour
 * @param {number} gapAfter seconds; a cell never reaches further
 */
export function drawHeat(plot, top, gapAfter) {
  const { ctx, data, bbox } = plot;
  const times = data[0];
  const rows = data.length - 1;
  const shades = Array.from({ length: SHADES }, (_, at) => faded(palette().heat, 0.04 + 0.96 * (at / (SHADES - 1))));
  const rowHeight = bbox.height / rows;
  const gap = rowHeight > 6 * devicePixelRatio ? devicePixelRatio : 0;
  const edges = cellEdges(plot, times, gapAfter);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (let row = 0; row < rows; row += 1) {
    const y = Math.round(bbox.top + row * rowHeight);
    const height = Math.round(bbox.top + (row + 1) * rowHeight) - y - gap;
    const values = data[row + 1];
    for (let at = 0; at < times.length; at += 1) {
      const value = values[at];
      if (value === null || value === undefined) continue;
      ctx.fillStyle = shades[Math.max(0, Math.min(SHADES - 1, Math.round((value / top) * (SHADES - 1))))];
      ctx.fillRect(edges[at][0], y, edges[at][1] - edges[at][0], height);
    }
  }
  ctx.restore();
}

/**
 * Where each cell begins and ends, in pixels of the canvas: half-way to its neighbours.
 * @param {import("uplot")} plot
 * @param {ArrayLike<number>} times
 * @param {number} gapAfter
 * @returns {[number, number][]}
 */
function cellEdges(plot, times, gapAfter) {
  /** @param {number} time */
  const pixel = (time) => Math.round(plot.valToPos(time, "x", true));
  return Array.from({ length: times.length }, (_, at) => {
    const before = at > 0 ? times[at] - times[at - 1] : gapAfter / 2;
    const after = at + 1 < times.length ? times[at + 1] - times[at] : before;
    return [pixel(times[at] - Math.min(before, gapAfter) / 2), pixel(times[at] + Math.min(after, gapAfter) / 2)];
  });
}
