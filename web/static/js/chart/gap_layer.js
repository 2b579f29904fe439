// @ts-check
/** Hatches the times of a chart in which there is nothing, so that nobody takes them for zero. */

import { palette } from "../page/palette.js";

const SPACING = 7;
/** Narrower than this it would only look like dirt. */
const NARROWEST = 2;

/**
 * @param {import("uplot")} plot
 * @param {import("./gaps.js").Hole[]} holes
 */
export function hatch(plot, holes) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  for (const hole of holes) {
    const left = Math.max(bbox.left, plot.valToPos(hole.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(hole.to, "x", true));
    if (right - left < NARROWEST * ratio) continue;
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
    ctx.strokeStyle = palette().hatch;
    ctx.lineWidth = ratio;
    ctx.stroke();
    ctx.restore();
  }
}
