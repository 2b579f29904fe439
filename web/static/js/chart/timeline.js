// @ts-check
/** The numbers of one chart over time: history and what came live after it, joined, with its gaps kept. No DOM. */

/**
 * What a timeline needs of an answer of history.
 * @typedef {Pick<import("../live/contract.js").History, "metric" | "step_seconds" | "times" | "from" | "to" | "series">} Readings
 */
/** @typedef {{min: (number | null)[], mean: (number | null)[], max: (number | null)[]}} Column */
/** @typedef {{time: number, values: [key: string, value: number | null][]}} Row */

/** Above so many steps without a value a line ends. A lone empty bucket as narrow as a sample can be chance. */
const GAP_STEPS_NARROW = 2.2;
const GAP_STEPS_WIDE = 1.5;
/** More rows than history ever gives: while it is away, what comes live is joined to buckets instead. */
const MOST_ROWS = 2000;

/**
 * The name of a series within a chart.
 * @param {string} metric
 * @param {string} instance
 */
export function keyOf(metric, instance) {
  return `${metric} ${instance}`;
}

export class Timeline {
  /** @param {number} interval seconds between the machine's samples */
  constructor(interval) {
    this.interval = interval;
    /** Width of a bucket in seconds; samples that come live join buckets of this width, or stand alone at 0. */
    this.step = 0;
    /** Ascending; in the middle of a bucket. @type {number[]} */
    this.times = [];
    /** Each as long as `times`. @type {Map<string, Column>} */
    this.columns = new Map();
    /** When each column last had a value. @type {Map<string, number>} */
    this.lastRead = new Map();
    this.samplesInLast = 0;
    /**
     * The times of which all is known, ascending: those that history has answered for, and since when samples come live,
     * which has no end. Of any other nobody can say that something is missing.
     * @type {{from: number, to: number}[]}
     */
    this.told = [];
    this.gapAfter = interval * GAP_STEPS_NARROW;
  }

  /** @returns {number} seconds since 1970 of the newest row, or -Infinity */
  get newest() {
    return this.times.length ? this.times[this.times.length - 1] : -Infinity;
  }

  /**
   * Begin anew with what history says, then the rows that are newer.
   * @param {Readings[]} histories one per metric, all of the same range and step
   * @param {Row[]} live ascending
   */
  load(histories, live) {
    const step = Math.max(this.interval, ...histories.map((one) => one.step_seconds));
    const wide = step >= this.interval * 1.5;
    this.step = wide ? step : 0;
    this.gapAfter = step * (wide ? GAP_STEPS_WIDE : GAP_STEPS_NARROW);
    this.times = [];
    this.columns = new Map();
    this.lastRead = new Map();
    const starts = [...new Set(histories.flatMap((one) => one.times))].sort((a, b) => a - b);
    /** @type {Map<number, number>} */
    const rowOf = new Map(starts.map((time, row) => [time, row]));
    const source = histories.flatMap((history) => spread(history, rowOf, starts.length));
    for (const [key] of source) this.columns.set(key, { min: [], mean: [], max: [] });
    starts.forEach((start, row) => {
      if (source.some(([, column]) => column.mean[row] !== null)) this.copyRow(start + step / 2, source, row);
    });
    this.samplesInLast = Math.max(1, Math.round(step / this.interval / 2));
    const known = this.times.length ? this.newest + (wide ? -step / 2 : step / 2) : -Infinity;
    const asked = Math.max(-Infinity, ...histories.map((one) => one.to));
    this.told = [{ from: Math.min(...histories.map((one) => one.from)), to: asked }];
    for (const row of live) if (row.time > (wide ? Math.max(known, asked) : known)) this.add(row);
  }

  /**
   * @param {number} time
   * @param {[string, Column][]} source
   * @param {number} row
   */
  copyRow(time, source, row) {
    this.breakBefore(time);
    this.times.push(time);
    for (const [key, from] of source) {
      const to = /** @type {Column} */ (this.columns.get(key));
      to.min.push(from.min[row]);
      to.mean.push(from.mean[row]);
      to.max.push(from.max[row]);
      if (from.mean[row] !== null) this.lastRead.set(key, time);
    }
  }

  /**
   * Append a sample. One that is older than the newest row is left out.
   * @param {Row} row
   */
  add({ time, values }) {
    const at = this.step ? (Math.floor(time / this.step) + 0.5) * this.step : time;
    if (at < this.newest || (!this.step && at === this.newest)) return;
    this.tellFrom(time);
    for (const [key] of values) this.ensureColumn(key);
    if (at === this.newest) this.merge(values);
    else this.append(at, values);
    for (const [key, value] of values) if (value !== null) this.lastRead.set(key, at);
    if (this.times.length > MOST_ROWS) this.coarsen();
  }

  /** From a moment on samples come live, without one being missed. @param {number} time */
  tellFrom(time) {
    if (this.told.at(-1)?.to !== Infinity) this.told.push({ from: time, to: Infinity });
  }

  /** History was asked for up to the present: what comes live follows on it. */
  follow() {
    this.told = this.told.slice(0, 1).map(({ from }) => ({ from, to: Infinity }));
  }

  /** What came live may have missed something from here on. */
  interrupt() {
    const last = this.told.at(-1);
    if (last) last.to = Math.min(last.to, Math.max(last.from, this.newest));
  }

  /** Join rows two by two and more, so that half of them are left: of each the least, the mean and the greatest. */
  coarsen() {
    const columns = this.columns;
    this.step = Math.max(2 * this.step, 2 * this.interval, (2 * (this.newest - this.times[0])) / MOST_ROWS);
    this.gapAfter = this.step * GAP_STEPS_WIDE;
    const buckets = joined(this.times, new Set(this.filledTimes()), this.step);
    this.times = [];
    this.columns = new Map([...columns.keys()].map((key) => [key, { min: [], mean: [], max: [] }]));
    for (const { time, first, after } of buckets) {
      this.breakBefore(time);
      this.times.push(time);
      for (const [key, from] of columns) joinRows(from, first, after, /** @type {Column} */ (this.columns.get(key)));
    }
  }

  /**
   * @param {number} at
   * @param {[string, number | null][]} values
   */
  append(at, values) {
    this.breakBefore(at);
    this.times.push(at);
    this.samplesInLast = 1;
    const given = new Map(values);
    for (const [key, column] of this.columns) {
      const value = given.get(key) ?? null;
      column.min.push(value);
      column.mean.push(value);
      column.max.push(value);
    }
  }

  /** @param {[string, number | null][]} values */
  merge(values) {
    const last = this.times.length - 1;
    this.samplesInLast += 1;
    for (const [key, value] of values) {
      const column = this.columns.get(key);
      if (!column || value === null) continue;
      const mean = column.mean[last];
      column.mean[last] = mean === null ? value : mean + (value - mean) / this.samplesInLast;
      column.min[last] = Math.min(value, column.min[last] ?? value);
      column.max[last] = Math.max(value, column.max[last] ?? value);
    }
  }

  /** Times of the rows in which something was read, ascending. */
  filledTimes() {
    const columns = [...this.columns.values()];
    return this.times.filter((_, row) => columns.some((column) => (column.mean[row] ?? null) !== null));
  }

  /**
   * Put an empty row before `time` if too long has passed, so that no line crosses.
   * @param {number} time
   */
  breakBefore(time) {
    if (!this.times.length || time - this.newest <= this.gapAfter) return;
    this.times.push((this.newest + time) / 2);
    for (const column of this.columns.values()) {
      column.min.push(null);
      column.mean.push(null);
      column.max.push(null);
    }
  }

  /** @param {string} key */
  ensureColumn(key) {
    if (this.columns.has(key)) return;
    const empty = () => /** @type {(number | null)[]} */ (new Array(this.times.length).fill(null));
    this.columns.set(key, { min: empty(), mean: empty(), max: empty() });
  }

  /** @param {string} key */
  drop(key) {
    this.columns.delete(key);
    this.lastRead.delete(key);
  }

  /**
   * Forget what is older than `from`, now and then, a good piece at a time; and at once what has no value after it.
   * @param {number} from seconds since 1970
   */
  trim(from) {
    for (const key of this.columns.keys()) {
      if ((this.lastRead.get(key) ?? -Infinity) + this.step / 2 < from) this.drop(key);
    }
    const kept = this.times.findIndex((time) => time >= from);
    if (kept < 50 || kept < this.times.length / 8) return;
    // One row before the range stays, so that a line enters the chart from its edge.
    this.times.splice(0, kept - 1);
    this.told = this.told.filter((one) => one.to > this.times[0]);
    if (this.told.length) this.told[0].from = Math.max(this.told[0].from, this.times[0]);
    for (const column of this.columns.values()) {
      column.min.splice(0, kept - 1);
      column.mean.splice(0, kept - 1);
      column.max.splice(0, kept - 1);
    }
  }
}

/**
 * Which rows lie in the same bucket; those in which nothing was read lie in none.
 * @param {number[]} times ascending
 * @param {Set<number>} filled times of the rows in which something was read
 * @param {number} step
 * @returns {{time: number, first: number, after: number}[]} `time` is the middle of the bucket
 */
function joined(times, filled, step) {
  /** @type {{time: number, first: number, after: number}[]} */
  const found = [];
  times.forEach((moment, row) => {
    if (!filled.has(moment)) return;
    const time = (Math.floor(moment / step) + 0.5) * step;
    const last = found[found.length - 1];
    if (last?.time === time) last.after = row + 1;
    else found.push({ time, first: row, after: row + 1 });
  });
  return found;
}

/**
 * @param {Column} from
 * @param {number} first
 * @param {number} after
 * @param {Column} to gets one row more
 */
function joinRows(from, first, after, to) {
  /** @param {(number | null)[]} values */
  const read = (values) => values.slice(first, after).filter((value) => value !== null);
  const means = read(from.mean);
  to.min.push(means.length ? Math.min(...read(from.min)) : null);
  to.mean.push(means.length ? means.reduce((sum, value) => sum + value, 0) / means.length : null);
  to.max.push(means.length ? Math.max(...read(from.max)) : null);
}

/**
 * The series of one history, each laid out over the rows of the chart.
 * @param {Readings} history
 * @param {Map<number, number>} rowOf
 * @param {number} rows
 * @returns {[string, Column][]}
 */
function spread(history, rowOf, rows) {
  const target = history.times.map((time) => /** @type {number} */ (rowOf.get(time)));
  /** @param {(number | null)[]} values */
  const lay = (values) => {
    const laid = /** @type {(number | null)[]} */ (new Array(rows).fill(null));
    target.forEach((row, at) => (laid[row] = values[at]));
    return laid;
  };
  return history.series.map((one) => [
    keyOf(history.metric, one.instance),
    { min: lay(one.min), mean: lay(one.mean), max: lay(one.max) },
  ]);
}
