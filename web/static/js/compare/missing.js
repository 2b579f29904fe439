// @ts-check
/** When nothing at all was read of what is compared, between the first and the last reading. Pure. */

import { asFarAsTold } from "../chart/gaps.js";

/** @typedef {import("../chart/timeline.js").Timeline} Timeline */
/** The `longest` of `count` gaps, in seconds since 1970. @typedef {{longest: [from: number, to: number], count: number}} Missing */

/** A gap of fewer buckets can be chance. */
const FEWEST_BUCKETS = 3;

/**
 * @param {Timeline} timeline
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 * @returns {Missing | null} null without a gap that is worth a word
 */
export function missingIn(timeline, from, to) {
  const half = timeline.step / 2;
  const filled = timeline.filledTimes().filter((time) => time + half > from && time - half < to);
  const holes = filled.slice(1).map((time, at) => ({ from: filled[at] + half, to: time - half }));
  /** @type {[from: number, to: number][]} */
  const gaps = asFarAsTold(holes, timeline.told)
    .filter((one) => one.to - one.from > (FEWEST_BUCKETS - 1) * timeline.step)
    .map((one) => [one.from, one.to]);
  if (!gaps.length) return null;
  const longest = gaps.reduce((most, one) => (one[1] - one[0] > most[1] - most[0] ? one : most));
  return { longest, count: gaps.length };
}
