// @ts-check
/** The numbers of one chart over time: history and what came live after it, joined, with its gaps kept. No DOM. */

/**
 * What a timeline needs of an answer of history.
 * @typedef {Pick<import("../live/contract.js").History, "metric" | "step_seconds" | "times" | "to" | "series">} Readings
 */
/** @typedef {{min: (number | null)[], mean: (number | null)[], max: (number | null)[]}} Column */
/** @typedef {{time: number, values: [key: string, value: number | null][]}} Row */

/** Above so many steps without a value a line ends. A lone empty bucket as narrow as a sample can be chance. */
const GAP_STEPS_NARROW = 2.2;
const GAP_STEPS_WIDE = 1.5;

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
    this.samplesInLast = 0;
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
    }
  }

  /**
   * Append a sample. One that is older than the newest row is left out.
   * @param {Row} row
   */
  add({ time, values }) {
    const at = this.step ? (Math.floor(time / this.step) + 0.5) * this.step : time;
    if (at < this.newest || (!this.step && at === this.newest)) return;
    for (const [key] of values) this.ensureColumn(key);
    if (at === this.newest) this.merge(values);
    else this.append(at, values);
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

  /**
   * Forget what is older than `from`, now and then, a good piece at a time.
   * @param {number} from seconds since 1970
   */
  trim(from) {
    const kept = this.times.findIndex((time) => time >= from);
    if (kept < 50 || kept < this.times.length / 8) return;
    // One row before the range stays, so that a line enters the chart from its edge.
    this.times.splice(0, kept - 1);
    for (const column of this.columns.values()) {
      column.min.splice(0, kept - 1);
      column.mean.splice(0, kept - 1);
      column.max.splice(0, kept - 1);
    }
  }
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
