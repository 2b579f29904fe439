// @ts-check
/** When nothing at all was read of what is compared, between the first and the last reading. Pure. */

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
  /** @type {[from: number, to: number][]} */
  const gaps = [];
  filled.forEach((time, at) => {
    if (at > 0 && time - filled[at - 1] > FEWEST_BUCKETS * timeline.step) gaps.push([filled[at - 1] + half, time - half]);
  });
  if (!gaps.length) return null;
  const longest = gaps.reduce((most, one) => (one[1] - one[0] > most[1] - most[0] ? one : most));
  return { longest, count: gaps.length };
}
