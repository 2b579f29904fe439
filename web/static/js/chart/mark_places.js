// @ts-check
/** Where the parts of marks have their place: which labels have room, and on which side of a mark its note hangs. Pure. */

import { labelOf } from "./markers.js";

/** @typedef {import("./markers.js").Mark} Mark */
/** `x` is the middle of its line; `label` is "" where it has no room. @typedef {{mark: Mark, x: number, label: string}} Head */
/**
 * Where a note hangs, in pixels from one end of its frame, and how wide it may be; the other end is null.
 * @typedef {{left: number | null, right: number | null, widest: number}} Hung
 */

/** How far a head reaches to each side of its line, in pixels; a flag only to the right. */
export const REACH = { info: 3, activated: 0, warning: 5, critical: 6 };
/** From a flag's edges to its label, and from what is left of a mark to its head. */
export const APART = 4;
/** From a head that is no flag to its label. */
export const BESIDE = 2;
/** Of a note, and between it and its mark. */
const WIDEST = 320;
const NOTE_APART = 8;

/**
 * A label neither runs over the head of the next mark nor beyond the end.
 * @param {Mark[]} marks from left to right
 * @param {number} end of what can be drawn on, in the pixels of the marks
 * @param {(label: string) => number} widthOf a label, in pixels
 * @returns {Head[]}
 */
export function headsOf(marks, end, widthOf) {
  return marks.map((mark, at) => {
    const next = marks[at + 1];
    const limit = next ? lineOf(next) - REACH[next.look] - APART : end;
    const label = labelOf(mark);
    const x = lineOf(mark);
    return { mark, x, label: x + widthWith(mark, widthOf(label)) <= limit ? label : "" };
  });
}

/** Half a pixel makes thin lines sharp. @param {Mark} mark */
const lineOf = (mark) => Math.round(mark.x) + 0.5;

/**
 * How far a head with its label reaches to the right of its line.
 * @param {Mark} mark
 * @param {number} label its width in pixels
 */
function widthWith(mark, label) {
  return mark.look === "activated" ? label + 2 * APART : REACH[mark.look] + BESIDE + label;
}

/**
 * A note is on that side of its mark where there is more room.
 * @param {number} x of the mark, in a frame
 * @param {number} width of the frame
 * @returns {Hung}
 */
export function hung(x, width) {
  const after = width - x;
  const widest = Math.min(WIDEST, Math.max(x, after) - NOTE_APART);
  return after >= x
    ? { left: x + NOTE_APART, right: null, widest }
    : { left: null, right: after + NOTE_APART, widest };
}
