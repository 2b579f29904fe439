// @ts-check
/** The times in which a machine told nothing: between its samples, and what is known to be lost. Pure. */

import { counted, duration } from "../page/units.js";

/** @typedef {import("../live/contract.js").HistoryGap} HistoryGap */
/** Seconds since 1970. @typedef {{from: number, to: number}} Hole */

/** How the reasons of the hub are said. @type {Record<HistoryGap["reason"], string>} */
const REASONS = {
  shed: "given up by a full spool",
  damaged: "damaged in the spool",
  unknown: "lost",
};

/**
 * The holes of a timeline, ascending.
 * @param {import("./timeline.js").Timeline} timeline
 * @param {number} present seconds since 1970: where the time that is shown ends, if that is not in the future
 * @param {number | null} since seconds since 1970: when the machine was first heard of, null if that is not known
 * @param {number} from seconds since 1970: where the time that is shown begins
 * @returns {Hole[]}
 */
export function holesOf(timeline, present, since, from) {
  const { gapAfter } = timeline;
  const half = timeline.step / 2;
  const filled = timeline.filledTimes();
  const found = [];
  let last = since === null ? null : Math.max(since, from - half);
  for (const time of filled) {
    if (last !== null && time - last > gapAfter) found.push({ from: last + half, to: time - half });
    last = time;
  }
  // The next sample is always on its way: what it may take is no gap yet.
  if (last !== null && filled.length && present - last > 2 * gapAfter) found.push({ from: last + half, to: present });
  return found;
}

/**
 * What is said of a moment in a hole, "" outside of all.
 * @param {Hole[]} holes
 * @param {HistoryGap[]} lost
 * @param {number} time seconds since 1970
 */
export function sayHole(holes, lost, time) {
  const hole = holes.find((one) => one.from <= time && time <= one.to);
  if (!hole) return "";
  const frames = lost.filter((gap) => (gap.from ?? gap.to ?? -Infinity) < hole.to && (gap.to ?? gap.from ?? Infinity) > hole.from);
  const [first] = frames;
  const count = frames.reduce((sum, gap) => sum + gap.frames, 0);
  const why = first ? `: ${counted(count, "sample")} ${REASONS[first.reason] ?? "lost"}` : "";
  return `no data for ${duration(hole.to - hole.from)}${why}`;
}
