// @ts-check
/**
 * Whether somebody points at the rows, or goes through them by keys. Rows that are sorted by what changes all the time stay
 * in their places meanwhile: a row that goes away under the mouse is clicked on in vain, and another one is opened.
 */

/** A mouse or a focus that was left there, on a dashboard that nobody touches, holds nothing. */
const PARKED_MS = 60_000;
/** Held for a click, they are no way to walk. */
const MODIFIERS = ["Control", "Shift", "Alt", "Meta"];

export class Hold {
  /** @param {HTMLElement} rows */
  constructor(rows) {
    this.rows = rows;
    this.pointedAt = -Infinity;
    /** When a key was last used there: a focus alone stays after a click until something else is clicked. */
    this.walkedAt = -Infinity;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    // A finger is there only while it touches.
    const moved = (/** @type {PointerEvent} */ event) => {
      if (event.pointerType !== "touch") this.pointedAt = performance.now();
    };
    // Tab goes down on what is left, and up on what is reached.
    const walked = (/** @type {KeyboardEvent} */ event) => {
      if (!MODIFIERS.includes(event.key)) this.walkedAt = performance.now();
    };
    rows.addEventListener("keydown", walked, { signal, passive: true });
    rows.addEventListener("keyup", walked, { signal, passive: true });
    rows.addEventListener("pointermove", moved, { signal, passive: true });
    rows.addEventListener("pointerleave", () => (this.pointedAt = -Infinity), { signal });
  }

  get active() {
    const walks = this.rows.contains(document.activeElement);
    return performance.now() - (walks ? Math.max(this.pointedAt, this.walkedAt) : this.pointedAt) < PARKED_MS;
  }

  destroy() {
    this.leaving.abort();
  }
}
