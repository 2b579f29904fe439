// @ts-check
/** Draws marks of events on a chart's canvas: a line through the plot, and a head above it whose shape says what it is. */

import { labelOf } from "./markers.js";
import { palette } from "./palette.js";

/** @typedef {import("./markers.js").Mark} Mark */
/** @typedef {CanvasRenderingContext2D} Canvas */

/** Above the plot, in CSS pixels: where heads and labels have their place. */
export const LANE = 16;
const LABEL_FONT = "600 10px system-ui, sans-serif";
const FLAG_HEIGHT = 12;
/** Between a head and its label, and between a label and the next mark. */
const APART = 4;

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
  // From here on in CSS pixels, 0 at the upper left of the plot. Half a pixel makes thin lines sharp.
  ctx.setTransform(ratio, 0, 0, ratio, bbox.left, bbox.top);
  ctx.font = LABEL_FONT;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  marks.forEach((mark, at) => {
    const x = Math.round(mark.x) + 0.5;
    const end = at + 1 < marks.length ? marks[at + 1].x - APART : bbox.width / ratio + LANE;
    drawLine(ctx, mark, x, height);
    drawHead(ctx, mark, x, end - x);
  });
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
 * @param {Mark} mark
 * @param {number} x
 * @param {number} room to the right, in pixels
 */
function drawHead(ctx, mark, x, room) {
  ctx.fillStyle = palette().marks[mark.look];
  const label = labelOf(mark);
  if (mark.look === "activated") return drawFlag(ctx, x, label, room);
  const wide = drawShape(ctx, mark.look, x);
  if (label && ctx.measureText(label).width + wide + APART <= room) ctx.fillText(label, x + wide + 2, -7.5);
}

/**
 * A flag on its pole, with the generation on it where there is room.
 * @param {Canvas} ctx
 * @param {number} x
 * @param {string} label
 * @param {number} room
 */
function drawFlag(ctx, x, label, room) {
  const width = ctx.measureText(label).width + 2 * APART;
  const written = label !== "" && width <= room;
  ctx.fillRect(x - 0.5, 2 - LANE, written ? width : 7, written ? FLAG_HEIGHT : 6);
  ctx.fillRect(x - 0.5, 2 - LANE, 1, LANE - 2);
  if (!written) return;
  ctx.fillStyle = palette().surface;
  ctx.fillText(label, x - 0.5 + APART, 2.5 - LANE + FLAG_HEIGHT / 2);
}

/**
 * A disc for news, a triangle that stands for a warning, one that hangs for what is critical.
 * @param {Canvas} ctx
 * @param {import("./markers.js").Look} look
 * @param {number} x
 * @returns {number} how far it reaches to the right
 */
function drawShape(ctx, look, x) {
  ctx.beginPath();
  if (look === "info") {
    ctx.arc(x, -5.5, 2.5, 0, 2 * Math.PI);
    ctx.fill();
    return 3;
  }
  const half = look === "critical" ? 6 : 5;
  const [base, tip] = look === "critical" ? [-12, -2] : [-2, -11];
  ctx.moveTo(x - half, base);
  ctx.lineTo(x + half, base);
  ctx.lineTo(x, tip);
  ctx.closePath();
  ctx.fill();
  return half;
}
