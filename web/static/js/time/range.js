// @ts-check
/** The time range that all charts of the page share. */

import { RANGES } from "./time_choice.js";

/** @typedef {import("./time_choice.js").Span} Span */
/** @typedef {import("./time_choice.js").TimeChoice} TimeChoice */

export class Range {
  /**
   * @param {() => number} now seconds since 1970: the moment that charts end at while they are live
   * @param {TimeChoice} choice
   */
  constructor(now, choice) {
    this.now = now;
    this.choice = choice;
    /** What is shown while someone drags, before it is chosen. @type {Span | null} */
    this.preview = null;
  }

  /** @param {TimeChoice} choice */
  choose(choice) {
    this.choice = choice;
    this.preview = null;
  }

  /** Whether it ends at the present and moves on with it. */
  get live() {
    return this.choice.fixed === null && this.preview === null;
  }

  /** Whether it will move on with the present when nobody drags any more: what comes meanwhile is needed then. */
  get follows() {
    return this.choice.fixed === null;
  }

  /** @returns {Span} seconds since 1970 */
  span() {
    if (this.preview ?? this.choice.fixed) return /** @type {Span} */ (this.preview ?? this.choice.fixed);
    const to = this.now();
    return [to - RANGES[this.choice.last], to];
  }

  /** Seconds that it is long. */
  get length() {
    const [from, to] = this.span();
    return to - from;
  }
}

/**
 * Whether two choices show the same time, in whatever zone.
 * @param {TimeChoice} one
 * @param {TimeChoice} other
 */
export function sameTime(one, other) {
  if (one.fixed === null || other.fixed === null) return one.fixed === other.fixed && one.last === other.last;
  return one.fixed[0] === other.fixed[0] && one.fixed[1] === other.fixed[1];
}
