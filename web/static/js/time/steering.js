// @ts-check
/** What charts do to the time that all of them show: choose a part of it, move along, show more or less. */

import { go, here } from "../page/here.js";
import { drawnSpan, panned, zoomed } from "./time_choice.js";

/** @typedef {import("./time_choice.js").Span} Span */

/** Lengths that differ by less are the same: they are differences of large numbers. */
const SAME_SECONDS = 0.001;

export class Steering {
  /**
   * @param {import("./range.js").Range} range
   * @param {() => void} redraw every chart, while someone drags
   */
  constructor(range, redraw) {
    this.range = range;
    this.redraw = redraw;
    /** Where the range lay when someone began to drag. @type {Span | null} */
    this.dragged = null;
  }

  /**
   * Show what lies between two moments.
   * @param {number} one seconds since 1970
   * @param {number} other seconds since 1970
   */
  choose(one, other) {
    this.range.preview = null;
    go({ time: { ...here().time, fixed: drawnSpan(one, other) } });
  }

  /**
   * Someone drags: charts follow, and ask for nothing yet.
   * @param {number} share of the range's length, less than 0 back in time, since the dragging began
   */
  drag(share) {
    this.preview(panned(this.dragged ?? this.range.span(), share, this.range.now()));
  }

  /**
   * Show a span for as long as it is not settled.
   * @param {Span} span
   */
  preview(span) {
    this.dragged ??= this.range.span();
    this.range.preview = span;
    this.redraw();
  }

  /** Nothing is dragged any more. */
  settle() {
    const [before, span] = [this.dragged, this.range.preview];
    this.dragged = null;
    this.range.preview = null;
    if (before && span) this.moved(before, span);
  }

  /** @param {number} share of the range's length, less than 0 is back in time */
  step(share) {
    const before = this.range.span();
    this.moved(before, panned(before, share, this.range.now()));
  }

  /**
   * What is live stays so where it was not moved back: it ended at the present, which has moved on meanwhile.
   * @param {Span} before
   * @param {Span} span
   */
  moved(before, span) {
    const asLong = Math.abs(span[1] - span[0] - (before[1] - before[0])) < SAME_SECONDS;
    const still = this.range.follows ? span[1] >= before[1] : span[1] === before[1];
    if (asLong && still) this.redraw();
    else this.choose(...span);
  }

  /**
   * @param {number} factor above 1 shows more
   * @param {number} around seconds since 1970: stays where it is
   */
  zoom(factor, around) {
    this.choose(...zoomed(this.range.span(), factor, around, this.range.now()));
  }
}
