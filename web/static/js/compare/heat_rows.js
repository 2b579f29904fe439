// @ts-check
/** Draws a heat map of hundreds of rows: one pixel for each reading, stretched to its place. What was not read is hatched, where that is known. */

import { palette } from "../page/palette.js";

/** Steps of colour: more than an eye tells apart. */
const SHADES = 64;
/** Rows as high as this have a seam between them, in CSS pixels. */
const SEAMED = 7;
const HATCH_PX = 6;

/** @typedef {(number | null)[]} Values */

/**
 * @param {import("uplot")} plot of the times of the readings
 * @param {(Values | undefined)[]} rows from the top, each as long as the times; undefined has no reading at all
 * @param {[low: number, high: number]} scale the values of the faintest and of the fullest colour
 * @param {number} step seconds that a reading stands for
 * @param {{from: number, to: number}[]} told the times of which all is known
 */
export function drawHeatRows(plot, rows, scale, step, told) {
  const { ctx, bbox } = plot;
  const times = plot.data[0];
  if (!times.length || !rows.length) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { from, to } of told) hatch(ctx, bbox, plot.valToPos(from, "x", true), plot.valToPos(to, "x", true));
  const left = plot.valToPos(times[0] - step / 2, "x", true);
  const right = plot.valToPos(times[times.length - 1] + step / 2, "x", true);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(readings(times.length, rows, scale), left, bbox.top, right - left, bbox.height);
  if (bbox.height / rows.length >= SEAMED * devicePixelRatio) seams(ctx, bbox, rows.length);
  ctx.restore();
}

/**
 * @param {number} times
 * @param {(Values | undefined)[]} rows
 * @param {[low: number, high: number]} scale
 * @returns {OffscreenCanvas} a pixel for each reading
 */
function readings(times, rows, [low, high]) {
  const canvas = new OffscreenCanvas(times, rows.length);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(times, rows.length);
  const pixels = new Uint32Array(image.data.buffer);
  const shades = shadesNow();
  const perShade = (SHADES - 1) / (high - low);
  let at = 0;
  for (const row of rows) {
    for (let column = 0; column < times; column += 1, at += 1) {
      const value = row?.[column];
      if (value === null || value === undefined) continue;
      pixels[at] = shades[Math.max(0, Math.min(SHADES - 1, Math.round((value - low) * perShade)))];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * From the colour of the ground to that of heat, as words of a little-endian RGBA image.
 * @returns {Uint32Array}
 */
function shadesNow() {
  const [ground, heat] = [palette().surface, palette().heat].map(parts);
  return Uint32Array.from({ length: SHADES }, (_, at) => {
    const share = 0.05 + 0.95 * (at / (SHADES - 1));
    const [red, green, blue] = ground.map((one, part) => Math.round(one + (heat[part] - one) * share));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** @param {string} colour as getComputedStyle writes it: rgb(…) */
const parts = (colour) => (colour.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("uplot").BBox} bbox
 * @param {number} from in pixels of the canvas
 * @param {number} to in pixels of the canvas, or Infinity
 */
function hatch(ctx, { left, top, width, height }, from, to) {
  const [first, last] = [Math.max(left, from), Math.min(left + width, to)];
  if (first >= last) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(first, top, last - first, height);
  ctx.clip();
  const apart = HATCH_PX * devicePixelRatio;
  ctx.strokeStyle = palette().hatch;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = left - height; x < left + width; x += apart) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("uplot").BBox} bbox
 * @param {number} rows
 */
function seams(ctx, { left, top, width, height }, rows) {
  ctx.fillStyle = palette().surface;
  for (let row = 1; row < rows; row += 1) {
    ctx.fillRect(left, Math.round(top + (row * height) / rows) - devicePixelRatio, width, devicePixelRatio);
  }
}
