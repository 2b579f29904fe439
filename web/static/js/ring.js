// @ts-check
/** A short trace of one number over time: the newest samples, oldest first, in bounded memory. */

export class Ring {
  /** @param {number} capacity how many samples it keeps */
  constructor(capacity) {
    this.times = new Float64Array(capacity);
    this.values = new Float32Array(capacity);
    this.start = 0;
    this.length = 0;
  }

  /**
   * Append a sample; one that is not newer than the last is left out. NaN is "not read".
   * @param {number} time
   * @param {number} value
   */
  push(time, value) {
    if (this.length && time <= this.time(this.length - 1)) return;
    const capacity = this.times.length;
    const slot = (this.start + this.length) % capacity;
    this.times[slot] = time;
    this.values[slot] = value;
    if (this.length < capacity) this.length += 1;
    else this.start = (this.start + 1) % capacity;
  }

  /**
   * Put older samples before those that are there; what does not fit is left out, the oldest first.
   * @param {ArrayLike<number>} times ascending
   * @param {ArrayLike<number>} values
   */
  prepend(times, values) {
    const first = this.length ? this.time(0) : Infinity;
    const kept = Array.from({ length: this.length }, (_, at) => [this.time(at), this.value(at)]);
    this.start = 0;
    this.length = 0;
    for (let at = 0; at < times.length; at += 1) if (times[at] < first) this.push(times[at], values[at]);
    for (const [time, value] of kept) this.push(time, value);
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
