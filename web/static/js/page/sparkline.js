// @ts-check
/** A small line without axes: the last samples of one number. */

import { faded, palette } from "./palette.js";

/** Two samples further apart than this are not joined. */
const GAP_INTERVALS = 2.2;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("../live/ring.js").Ring} trace
 * @param {number} seconds how far back it shows
 * @param {number} interval seconds between samples
 * @param {number} top the value at the upper edge; the trace's own largest where that is more
 * @param {number} colour index into the palette
 */
export function drawSparkline(canvas, trace, seconds, interval, top, colour) {
  const ratio = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context || !trace.length) return;
  context.clearRect(0, 0, width, height);
  const newest = trace.time(trace.length - 1);
  let most = top;
  for (let at = 0; at < trace.length; at += 1) most = Math.max(most, trace.value(at) || 0);
  const stroke = palette().series[colour];
  context.lineWidth = 1.25 * ratio;
  context.lineJoin = "round";
  context.strokeStyle = stroke;
  context.fillStyle = faded(stroke, 0.16);
  const usable = height - 3 * ratio;
  /** @param {number} at */
  const x = (at) => width * (1 - (newest - trace.time(at)) / seconds);
  /** @param {number} at */
  const y = (at) => height - ratio - usable * (trace.value(at) / most);
  for (const [first, last] of runs(trace, interval * GAP_INTERVALS)) {
    context.beginPath();
    for (let at = first; at <= last; at += 1) context.lineTo(x(at), y(at));
    context.stroke();
    context.lineTo(x(last), height);
    context.lineTo(x(first), height);
    context.fill();
  }
}

/**
 * The stretches without a gap, as pairs of first and last.
 * @param {import("../live/ring.js").Ring} trace
 * @param {number} gapAfter seconds
 * @returns {[number, number][]}
 */
export function runs(trace, gapAfter) {
  /** @type {[number, number][]} */
  const found = [];
  let first = -1;
  for (let at = 0; at < trace.length; at += 1) {
    const read = !Number.isNaN(trace.value(at));
    const far = at > 0 && trace.time(at) - trace.time(at - 1) > gapAfter;
    if (first >= 0 && (!read || far)) {
      found.push([first, at - 1]);
      first = -1;
    }
    if (read && first < 0) first = at;
  }
  if (first >= 0) found.push([first, trace.length - 1]);
  return found;
}
