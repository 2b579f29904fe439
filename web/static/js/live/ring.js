// @ts-check
/** A short trace of one number over time: the newest samples, oldest first, in bounded memory. */

/** How many samples the short traces of a machine hold, and so how many a sparkline is wide. */
export const TRACE_SAMPLES = 120;

export class Ring {
  /** @param {number} capacity how many samples it keeps */
  constructor(capacity) {
    this.times = new Float64Array(capacity);
    this.values = new Float32Array(capacity);
    this.start = 0;
    this.length = 0;
  }

  /**
   * Append a sample; one of the same time is left out. An older one begins the trace anew: the machine's clock was set
   * back. NaN is "not read".
   * @param {number} time
   * @param {number} value
   */
  push(time, value) {
    if (this.length && time === this.time(this.length - 1)) return;
    if (this.length && time < this.time(this.length - 1)) this.clear();
    const capacity = this.times.length;
    const slot = (this.start + this.length) % capacity;
    this.times[slot] = time;
    this.values[slot] = value;
    if (this.length < capacity) this.length += 1;
    else this.start = (this.start + 1) % capacity;
  }

  clear() {
    this.start = 0;
    this.length = 0;
  }

  /**
   * Begin anew with what history says, then the samples that are newer; rows that hold NaN are left out.
   * @param {ArrayLike<number>} times ascending
   * @param {ArrayLike<number>} values
   */
  refill(times, values) {
    const kept = Array.from({ length: this.length }, (_, at) => [this.time(at), this.value(at)]);
    const newest = kept.length ? kept[kept.length - 1][0] : Infinity;
    this.clear();
    for (let at = 0; at < times.length; at += 1) {
      // The middle of a bucket can lie after the sample in it, and that one is known better.
      if (times[at] < newest && !Number.isNaN(values[at])) this.push(times[at], values[at]);
    }
    const known = this.length ? this.time(this.length - 1) : -Infinity;
    for (const [time, value] of kept) if (time > known) this.push(time, value);
  }

  /** @param {number} at 0 is the oldest */
  time(at) {
    return this.times[(this.start + at) % this.times.length];
  }

  /** @param {number} at 0 is the oldest */
  value(at) {
    return this.values[(this.start + at) % this.values.length];
  }
}
