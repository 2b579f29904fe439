// @ts-check
/** The numbers of many machines over time, in buckets that all share: history as it comes, and live samples after it. No DOM. */

import { Timeline } from "../chart/timeline.js";

/** @typedef {import("../chart/timeline.js").Column} Column */
/** @typedef {import("../live/contract.js").FleetHistory} FleetHistory */

/** Above so many steps without any sample, empty buckets are not made: one gap says the same. */
const MOST_EMPTY = 1000;

/**
 * The name of a series among those of all machines, whose names have no space.
 * @param {string} machine
 * @param {string} instance
 */
export function fleetKey(machine, instance) {
  return `${machine} ${instance}`;
}

/**
 * The machine and the instance of a key.
 * @param {string} key
 * @returns {[machine: string, instance: string]}
 */
export function keyParts(key) {
  const space = key.indexOf(" ");
  return [key.slice(0, space), key.slice(space + 1)];
}

/**
 * Unlike that of one machine it has a row for each bucket, also where no machine was heard: a sample always has a place,
 * in whatever order machines come, and what was not read is null.
 */
export class FleetTimeline extends Timeline {
  /**
   * @param {number} interval the longest of the machines'
   * @param {number} step width of a bucket in seconds
   */
  constructor(interval, step) {
    super(interval);
    this.use(step);
    /** The bucket that each series is gathered in now, and of how many samples. @type {Map<string, {at: number, samples: number}>} */
    this.open = new Map();
  }

  /** @param {number} step */
  use(step) {
    this.step = step;
    this.gapAfter = step * 1.5;
  }

  /**
   * Take in an answer. The first one gives the buckets; others are laid out over them, whatever theirs are.
   * @param {FleetHistory} history
   */
  take(history) {
    if (!this.columns.size) this.lay(history);
    const rows = this.times.map((time) => bucketAt(history, time));
    /** @param {(number | null)[]} values */
    const laid = (values) => rows.map((row) => values[row] ?? null);
    for (const { machine, instance, min, mean, max } of history.series) {
      const column = { min: laid(min), mean: laid(mean), max: laid(max) };
      const last = column.mean.findLastIndex((value) => value !== null);
      this.columns.set(fleetKey(machine, instance), column);
      if (last >= 0) this.lastRead.set(fleetKey(machine, instance), this.times[last]);
    }
  }

  /** @param {FleetHistory} history whose buckets are everyone's */
  lay(history) {
    this.use(history.step_seconds);
    this.told = [{ from: history.from, to: history.to }];
    this.times = history.times.map((time) => time + this.step / 2);
  }

  /**
   * A live sample of one series. One that is older than all rows is left out, and so is one that was not read.
   * @param {string} key
   * @param {number} time
   * @param {number | null} value
   */
  addSample(key, time, value) {
    const at = (Math.floor(time / this.step) + 0.5) * this.step;
    this.tellFrom(time);
    if (at > this.newest) this.growTo(at);
    this.ensureColumn(key);
    const row = this.rowOf(at);
    if (row < 0 || value === null) return;
    const column = /** @type {Column} */ (this.columns.get(key));
    const open = this.open.get(key);
    const mean = column.mean[row];
    const full = Math.max(1, Math.round(this.step / this.interval));
    const before = mean === null ? 0 : open?.at === at ? open.samples : full;
    column.mean[row] = mean === null ? value : mean + (value - mean) / (before + 1);
    column.min[row] = Math.min(value, column.min[row] ?? value);
    column.max[row] = Math.max(value, column.max[row] ?? value);
    if (!open || at >= open.at) this.open.set(key, { at, samples: before + 1 });
    this.lastRead.set(key, Math.max(at, this.lastRead.get(key) ?? -Infinity));
  }

  /**
   * @override
   * @param {string} key
   */
  drop(key) {
    super.drop(key);
    this.open.delete(key);
  }

  /** Rows up to this one, empty as yet. @param {number} at */
  growTo(at) {
    const steps = this.times.length ? Math.round((at - this.newest) / this.step) : 1;
    const each = Array.from({ length: Math.min(steps, MOST_EMPTY) }, (_, left) => at - left * this.step).reverse();
    const added = steps > MOST_EMPTY ? [(this.newest + at) / 2, at] : each;
    this.times.push(...added);
    const nothing = added.map(() => null);
    for (const column of this.columns.values()) {
      column.min.push(...nothing);
      column.mean.push(...nothing);
      column.max.push(...nothing);
    }
  }

  /**
   * The row of a bucket, -1 if there is none. Nearly always it is one of the last.
   * @param {number} at
   */
  rowOf(at) {
    for (let row = this.times.length - 1; row >= 0 && this.times[row] >= at - this.step / 2; row -= 1) {
      if (Math.abs(this.times[row] - at) < this.step / 2) return row;
    }
    return -1;
  }
}

/**
 * Which bucket of an answer a moment lies in; -1 is none.
 * @param {FleetHistory} history
 * @param {number} time
 */
function bucketAt(history, time) {
  const row = Math.floor((time - (history.times[0] ?? Infinity)) / history.step_seconds);
  return row >= 0 && row < history.times.length ? row : -1;
}
