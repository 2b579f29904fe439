// @ts-check
/** The time range that all charts of the page share. It always ends at the present. */

import { RANGES } from "../page/address.js";

export class Range {
  /**
   * @param {() => number} now seconds since 1970: the moment that charts end at
   * @param {import("../page/address.js").RangeName} last
   */
  constructor(now, last) {
    this.now = now;
    this.last = last;
  }

  /** @returns {[from: number, to: number]} seconds since 1970 */
  span() {
    const to = this.now();
    return [to - RANGES[this.last], to];
  }
}
