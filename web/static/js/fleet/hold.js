// @ts-check
/**
 * Whether somebody points at the rows or has the focus in them. Rows that are sorted by what changes all the time stay
 * in their places meanwhile: a row that goes away under the mouse is clicked on in vain, and another one is opened.
 */

/** A mouse that was left there, under a dashboard that nobody touches, holds nothing. */
const PARKED_MS = 60_000;

export class Hold {
  /** @param {HTMLElement} rows */
  constructor(rows) {
    this.rows = rows;
    this.pointedAt = -Infinity;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    // A finger is there only while it touches.
    const moved = (/** @type {PointerEvent} */ event) => {
      if (event.pointerType !== "touch") this.pointedAt = performance.now();
    };
    rows.addEventListener("pointermove", moved, { signal, passive: true });
    rows.addEventListener("pointerleave", () => (this.pointedAt = -Infinity), { signal });
  }

  get active() {
    return performance.now() - this.pointedAt < PARKED_MS || this.rows.contains(document.activeElement);
  }

  destroy() {
    this.leaving.abort();
  }
}
