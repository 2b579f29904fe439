// @ts-check
/** The times in which a machine told nothing: between its samples, and what is known to be lost. Pure. */

import { counted, duration } from "../page/units.js";

/** @typedef {import("../live/contract.js").HistoryGap} HistoryGap */
/** Seconds since 1970; `inside` says that it lies within a bucket that has readings too. @typedef {{from: number, to: number, inside?: boolean}} Hole */

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
 * What of holes lies in times of which something is known.
 * @param {Hole[]} holes ascending
 * @param {Hole[]} told ascending
 * @returns {Hole[]} ascending
 */
export function asFarAsTold(holes, told) {
  return holes.flatMap((hole) =>
    told
      .map(({ from, to }) => ({ from: Math.max(from, hole.from), to: Math.min(to, hole.to) }))
      .filter(({ from, to }) => from < to),
  );
}

/**
 * The holes, and what is known to be lost beside them: within one bucket of a long range it makes no hole.
 * @param {Hole[]} holes ascending
 * @param {HistoryGap[]} lost
 * @param {number} from seconds since 1970: where the time that is shown begins
 * @param {number} to seconds since 1970: where it ends
 * @returns {Hole[]} ascending
 */
export function withLost(holes, lost, from, to) {
  const inside = lost
    .map(extent)
    .filter((gap) => gap.from <= to && gap.to >= from && !holes.some((hole) => gap.from < hole.to && gap.to > hole.from))
    .sort((a, b) => a.from - b.from);
  /** @type {Hole[]} */
  const joined = [];
  for (const gap of inside) {
    const last = joined[joined.length - 1];
    if (last && gap.from <= last.to) last.to = Math.max(last.to, gap.to);
    else joined.push({ ...gap, inside: true });
  }
  return [...holes, ...joined].sort((a, b) => a.from - b.from);
}

/** Where a gap lies; one whose ends are not known is nowhere. @param {HistoryGap} gap @returns {Hole} */
const extent = (gap) => ({ from: gap.from ?? gap.to ?? Infinity, to: gap.to ?? gap.from ?? -Infinity });

/**
 * The holes that a cursor means.
 * @param {Hole[]} holes
 * @param {number} time seconds since 1970
 * @param {number} near seconds by which it may miss one
 */
export function holesAt(holes, time, near) {
  const met = holes.filter((one) => one.from <= time && time <= one.to);
  return met.length ? met : holes.filter((one) => one.from - near <= time && time <= one.to + near);
}

/**
 * What is said of the holes that a cursor means, "" of none.
 * @param {Hole[]} holes ascending
 * @param {HistoryGap[]} lost
 */
export function sayHoles(holes, lost) {
  if (!holes.length) return "";
  const frames = lost.filter((gap) => {
    const { from, to } = extent(gap);
    return holes.some((hole) => (from < hole.to && to > hole.from) || (hole.inside && from <= hole.to && to >= hole.from));
  });
  const [first] = frames;
  const count = frames.reduce((sum, gap) => sum + gap.frames, 0);
  const why = first ? `${counted(count, "sample")} ${REASONS[first.reason] ?? "lost"}` : "";
  const seconds = holes.reduce((sum, hole) => sum + hole.to - hole.from, 0);
  // One sample alone takes no time that is known.
  if (why && seconds < 1) return why;
  const often = holes.length > 1 ? ` in ${holes.length} gaps` : "";
  return `no data for ${duration(seconds)}${often}${why && `: ${why}`}`;
}
