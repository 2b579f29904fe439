// @ts-check
/** The names of the rows of a heat map beside it: as many as there is room for, each as much of it as fits. */

import { FONT } from "../chart/axes.js";
import { palette } from "../page/palette.js";

const LINE_PX = 14;
const WIDEST_PX = 150;
const GAP_PX = 8;
/** Of a plot, that names may take. */
const SHARE = 0.3;

/**
 * @param {string[]} labels of the rows, from the top
 * @param {number} width of the whole plot in CSS pixels
 * @param {number} height
 * @returns {import("uplot").Axis}
 */
export function nameAxis(labels, width, height) {
  const rows = labels.length;
  const every = Math.max(1, Math.ceil((rows * LINE_PX) / height));
  const labelled = labels.map((_, row) => row).filter((row) => row % every === 0);
  const most = Math.min(WIDEST_PX, width * SHARE);
  const measure = measureOf(FONT);
  const shown = labelled.map((row) => fitted(labels[row], most, measure));
  return {
    stroke: palette().text,
    font: FONT,
    grid: { show: false },
    ticks: { show: false },
    size: Math.ceil(Math.max(0, ...shown.map(measure))) + 2 * GAP_PX,
    gap: GAP_PX,
    splits: () => labelled.map((row) => rows - row - 0.5),
    values: () => shown,
  };
}

/**
 * The name, or as much of its beginning as fits.
 * @param {string} name
 * @param {number} most in pixels
 * @param {(text: string) => number} measure
 */
export function fitted(name, most, measure) {
  if (measure(name) <= most) return name;
  let [fits, over] = [0, name.length];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (measure(`${name.slice(0, middle)}…`) <= most) fits = middle;
    else over = middle;
  }
  return `${name.slice(0, fits)}…`;
}

/**
 * @param {string} font
 * @returns {(text: string) => number} its width in CSS pixels
 */
function measureOf(font) {
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext("2d"));
  context.font = font;
  return (text) => context.measureText(text).width;
}
