// @ts-check
/** Hatches the times of a chart in which there is nothing, so that nobody takes them for zero. */

const SPACING = 7;
/** Narrower ones are drawn as wide as this, in CSS pixels: an outage is seen in a year too. */
export const NARROWEST = 3;

/**
 * @param {import("uplot")} plot
 * @param {import("./gaps.js").Hole[]} holes
 * @param {string} colour
 */
export function hatch(plot, holes, colour) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  for (const hole of holes) {
    const [from, to] = [plot.valToPos(hole.from, "x", true), plot.valToPos(hole.to, "x", true)];
    const more = Math.max(0, NARROWEST * ratio - (to - from)) / 2;
    const left = Math.max(bbox.left, from - more);
    const right = Math.min(bbox.left + bbox.width, to + more);
    if (right <= left) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.beginPath();
    // Lines of all holes lie on one grid, so that it stands still while the time moves on.
    const step = SPACING * ratio;
    const start = Math.floor((left - bbox.height) / step) * step;
    for (let x = start; x < right; x += step) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.strokeStyle = colour;
    ctx.lineWidth = ratio;
    ctx.stroke();
    ctx.restore();
  }
}
