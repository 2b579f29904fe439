// @ts-check
/** Draws marks of events on a chart's canvas: a line through the plot, and a head above it whose shape says what it is. */

import { APART, BESIDE, REACH, headsOf } from "./mark_places.js";
import { palette } from "../page/palette.js";

/** @typedef {import("./markers.js").Mark} Mark */
/** @typedef {import("./mark_places.js").Head} Head */
/** @typedef {CanvasRenderingContext2D} Canvas */

/** Above the plot, in CSS pixels: where heads and labels have their place. */
export const LANE = 16;
const LABEL_FONT = "600 10px system-ui, sans-serif";
const FLAG_HEIGHT = 12;

/** What a line looks like. `through` is how much of it is let through. */
const LINES = {
  info: { width: 1, through: 0.4 },
  activated: { width: 1.25, through: 1 },
  warning: { width: 1.25, through: 1 },
  critical: { width: 2, through: 1 },
};

/**
 * @param {import("uplot")} plot
 * @param {Mark[]} marks from left to right, in CSS pixels from the left of the plot
 */
export function drawMarks(plot, marks) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const height = bbox.height / ratio;
  ctx.save();
  // From here on in CSS pixels, 0 at the upper left of the plot.
  ctx.setTransform(ratio, 0, 0, ratio, bbox.left, bbox.top);
  ctx.font = LABEL_FONT;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  const end = (ctx.canvas.width - bbox.left) / ratio;
  for (const head of headsOf(marks, end, (label) => ctx.measureText(label).width)) {
    drawLine(ctx, head.mark, head.x, height);
    drawHead(ctx, head);
  }
  ctx.restore();
}

/**
 * @param {Canvas} ctx
 * @param {Mark} mark
 * @param {number} x
 * @param {number} height
 */
function drawLine(ctx, mark, x, height) {
  const { width, through } = LINES[mark.look];
  ctx.beginPath();
  ctx.moveTo(x, -3);
  ctx.lineTo(x, height);
  ctx.setLineDash([]);
  if (mark.look !== "info") {
    // A seam keeps it apart from what it crosses, above all the cells of a heat map.
    ctx.globalAlpha = 0.6;
    ctx.lineWidth = width + 2;
    ctx.strokeStyle = palette().surface;
    ctx.stroke();
  }
  ctx.globalAlpha = through;
  ctx.setLineDash(mark.activated ? [5, 3] : []);
  ctx.lineWidth = width;
  ctx.strokeStyle = palette().marks[mark.look];
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/**
 * @param {Canvas} ctx
 * @param {Head} head
 */
function drawHead(ctx, { mark, x, label }) {
  ctx.fillStyle = palette().marks[mark.look];
  if (mark.look === "activated") return drawFlag(ctx, x, label);
  drawShape(ctx, mark.look, x);
  ctx.fillText(label, x + REACH[mark.look] + BESIDE, -7.5);
}

/**
 * A flag on its pole, with the generation on it unless that is "".
 * @param {Canvas} ctx
 * @param {number} x
 * @param {string} label
 */
function drawFlag(ctx, x, label) {
  const width = label ? ctx.measureText(label).width + 2 * APART : 7;
  ctx.fillRect(x - 0.5, 2 - LANE, width, label ? FLAG_HEIGHT : 6);
  ctx.fillRect(x - 0.5, 2 - LANE, 1, LANE - 2);
  if (!label) return;
  ctx.fillStyle = palette().surface;
  ctx.fillText(label, x - 0.5 + APART, 2.5 - LANE + FLAG_HEIGHT / 2);
}

/**
 * A disc for news, a triangle that stands for a warning, one that hangs for what is critical.
 * @param {Canvas} ctx
 * @param {import("./markers.js").Look} look
 * @param {number} x
 */
function drawShape(ctx, look, x) {
  ctx.beginPath();
  if (look === "info") {
    ctx.arc(x, -5.5, 2.5, 0, 2 * Math.PI);
    ctx.fill();
    return;
  }
  const half = REACH[look];
  const [base, tip] = look === "critical" ? [-12, -2] : [-2, -11];
  ctx.moveTo(x - half, base);
  ctx.lineTo(x + half, base);
  ctx.lineTo(x, tip);
  ctx.closePath();
  ctx.fill();
}
