// @ts-check
/** The keyboard among the marks of a chart: N goes to the next one, P to the one before. Pure. */

import { meant } from "./markers.js";

/** @typedef {import("./markers.js").Mark} Mark */

/**
 * The mark that a key leads to.
 * @param {string} key
 * @param {Mark[]} marks from left to right
 * @param {number} x of the cursor; less than 0 is none: the next is then the first, and the one before the last
 * @returns {Mark | null} null if there is none that way, or the key means nothing here
 */
export function markByKey(key, marks, x) {
  // What is live moves on under a cursor that rests.
  const from = meant(marks, x)?.x ?? x;
  const wanted = key.toLowerCase();
  if (wanted === "n") return marks.find((mark) => mark.x > from) ?? null;
  if (wanted === "p") return marks.findLast((mark) => from < 0 || mark.x < from) ?? null;
  return null;
}
