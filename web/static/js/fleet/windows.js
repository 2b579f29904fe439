// @ts-check
/** Which of many rows of the same height can be seen. Pure. */

/** Rows in lines of some each: where they begin on the screen, and how high a line is, in pixels. */
/** @typedef {{count: number, across: number, top: number, pitch: number}} Stack */

/**
 * @param {Stack} stack
 * @param {number} from the upper edge of what is seen, in pixels
 * @param {number} to the lower edge
 * @returns {[first: number, end: number]} of the rows, the end not included
 */
export function seenOf({ count, across, top, pitch }, from, to) {
  const line = (/** @type {number} */ place) => Math.floor((place - top) / pitch);
  const first = Math.max(0, line(from)) * across;
  return [Math.min(first, count), Math.min(count, Math.max(0, (line(to) + 1) * across))];
}
