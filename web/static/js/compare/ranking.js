// @ts-check
/** What series come to in a range of time, and in which order they are listed and drawn. Pure. */

import { keyParts } from "./fleet_timeline.js";

/** @typedef {import("../chart/timeline.js").Timeline} Timeline */
/**
 * One series: its last value in the range, the mean over the range (each bucket counts as much) and the greatest
 * single reading. All are null where nothing was read.
 * @typedef {{key: string, machine: string, instance: string, newest: number | null, mean: number | null,
 *   max: number | null}} Standing
 */

const byName = new Intl.Collator(undefined, { numeric: true });

/**
 * The greatest mean first; who read nothing comes last.
 * @param {Timeline} timeline
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 * @returns {Standing[]}
 */
export function standings(timeline, from, to) {
  const half = timeline.step / 2;
  const first = timeline.times.findIndex((time) => time + half > from);
  const after = timeline.times.findIndex((time) => time - half > to);
  const rows = /** @type {const} */ ([first < 0 ? timeline.times.length : first, after < 0 ? timeline.times.length : after]);
  const found = [...timeline.columns].map(([key, column]) => standing(key, column, ...rows));
  return found.sort(
    (a, b) =>
      (b.mean ?? -Infinity) - (a.mean ?? -Infinity) ||
      byName.compare(a.machine, b.machine) ||
      byName.compare(a.instance, b.instance),
  );
}

/**
 * @param {string} key
 * @param {import("../chart/timeline.js").Column} column
 * @param {number} first row
 * @param {number} after the last row
 * @returns {Standing}
 */
function standing(key, column, first, after) {
  let [sum, count] = [0, 0];
  /** @type {number | null} */
  let newest = null;
  /** @type {number | null} */
  let max = null;
  for (let row = first; row < after; row += 1) {
    const value = column.mean[row];
    if (value === null) continue;
    newest = value;
    sum += value;
    count += 1;
    const peak = column.max[row] ?? value;
    if (max === null || peak > max) max = peak;
  }
  const [machine, instance] = keyParts(key);
  return { key, machine, instance, newest, mean: count ? sum / count : null, max };
}

/** Gives each series a number of its own among those that are drawn, and the same for as long as it is. */
export class Colours {
  constructor() {
    /** @type {Map<string, number>} */
    this.numbers = new Map();
  }

  /** @param {string[]} keys those that are drawn from now on */
  give(keys) {
    const wanted = new Set(keys);
    for (const key of this.numbers.keys()) if (!wanted.has(key)) this.numbers.delete(key);
    const taken = new Set(this.numbers.values());
    let free = 0;
    for (const key of keys) {
      if (this.numbers.has(key)) continue;
      while (taken.has(free)) free += 1;
      taken.add(free);
      this.numbers.set(key, free);
    }
    return this.numbers;
  }
}
