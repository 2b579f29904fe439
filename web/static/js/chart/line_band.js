// @ts-check
/** Draws, on a chart of too many lines for a band around each, the band of the one that is brought out. */

import { faded } from "../page/palette.js";

/** @typedef {(number | null)[]} Values */

/**
 * @param {import("uplot")} plot
 * @param {import("./timeline.js").Column} column
 * @param {boolean} down whether it is drawn below zero
 * @param {string} colour
 */
export function drawBand(plot, { min, max }, down, colour) {
  const { ctx, bbox } = plot;
  const sign = down ? -1 : 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = faded(colour, 0.25);
  for (const [first, after] of stretches(max)) {
    /** @type {(values: Values, row: number) => [number, number]} */
    const point = (values, row) => [
      plot.valToPos(plot.data[0][row], "x", true),
      plot.valToPos(sign * (values[row] ?? 0), "y", true),
    ];
    ctx.beginPath();
    for (let row = first; row < after; row += 1) ctx.lineTo(...point(max, row));
    for (let row = after - 1; row >= first; row -= 1) ctx.lineTo(...point(min, row));
    ctx.fill();
  }
  ctx.restore();
}

/**
 * From where to where there are values without a gap.
 * @param {Values} values
 * @returns {[first: number, after: number][]}
 */
function stretches(values) {
  /** @type {[number, number][]} */
  const found = [];
  values.forEach((value, row) => {
    const last = found[found.length - 1];
    if (value === null) return;
    if (last && last[1] === row) last[1] = row + 1;
    else found.push([row, row + 1]);
  });
  return found;
}
