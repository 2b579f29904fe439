// @ts-check
/**
 * What fingers do on a chart. One that moves sideways moves the time along, one that rests first moves the cursor, two
 * pinch: they show more or less. A tap puts the cursor, as a click does. Up and down stays the page's own.
 */

import { pinched } from "../time/time_choice.js";

/** @typedef {import("uplot")} Plot */
/** @typedef {import("../time/steering.js").Steering} Steering */

/** What fingers do: "waiting" is not decided yet, "over" that it is, but not all are lifted. @typedef {"nothing" | "waiting" | "panning" | "pointing" | "pinching" | "over"} Doing */

/** A finger that has moved by so many pixels does not rest. */
const RESTS_PX = 8;
const RESTS_MS = 400;

export class Touch {
  /**
   * @param {Steering} steering
   * @param {() => void} onPoint called when a finger has moved the cursor
   */
  constructor(steering, onPoint) {
    this.steering = steering;
    this.onPoint = onPoint;
    /** @type {Doing} */
    this.doing = "nothing";
    /** Where each finger is, as a share of the plot's width. @type {Map<number, number>} */
    this.fingers = new Map();
    /** Where the first one came down. */
    this.start = 0;
    this.restTimer = 0;
    /** What two fingers began with. @type {{span: import("../time/time_choice.js").Span, held: import("../time/time_choice.js").Held} | null} */
    this.pinch = null;
    this.following = new AbortController();
  }

  /**
   * Listen on a plot that was just made.
   * @param {Plot} plot
   */
  attach(plot) {
    plot.over.addEventListener("pointerdown", (down) => down.pointerType === "touch" && this.down(plot, down));
    // Resting asks for no menu.
    plot.over.addEventListener("contextmenu", (menu) => this.fingers.size && menu.preventDefault());
  }

  /**
   * @param {Plot} plot
   * @param {PointerEvent} down
   */
  down(plot, down) {
    if (!this.fingers.size) this.begin(plot);
    this.fingers.set(down.pointerId, shareOf(plot, down));
    clearTimeout(this.restTimer);
    if (this.fingers.size === 1) {
      this.start = shareOf(plot, down);
      this.doing = "waiting";
      this.restTimer = setTimeout(() => this.rest(plot), RESTS_MS);
    } else if (this.fingers.size === 2 && this.doing !== "over") {
      this.doing = "pinching";
      this.pinch = { span: this.steering.range.span(), held: this.held() };
    }
  }

  /** @param {Plot} plot */
  begin(plot) {
    this.following = new AbortController();
    const { signal } = this.following;
    // On the document: what is touched may be drawn anew meanwhile.
    const follow = (/** @type {PointerEvent} */ at) => this.fingers.has(at.pointerId) && this.move(plot, at);
    const end = (/** @type {PointerEvent} */ at) => this.fingers.delete(at.pointerId) && this.lift();
    document.addEventListener("pointermove", follow, { signal });
    document.addEventListener("pointerup", end, { signal });
    document.addEventListener("pointercancel", end, { signal });
  }

  /** @param {Plot} plot */
  rest(plot) {
    this.doing = "pointing";
    this.point(plot, this.start);
  }

  /**
   * @param {Plot} plot
   * @param {PointerEvent} at
   */
  move(plot, at) {
    const share = shareOf(plot, at);
    this.fingers.set(at.pointerId, share);
    if (this.doing === "waiting" && Math.abs(share - this.start) * plot.over.clientWidth > RESTS_PX) {
      clearTimeout(this.restTimer);
      this.doing = "panning";
    }
    if (this.doing === "panning") this.steering.drag(this.start - share);
    else if (this.doing === "pointing") this.point(plot, share);
    else if (this.doing === "pinching" && this.pinch) {
      const { span, held } = this.pinch;
      this.steering.preview(pinched(span, held, this.held(), this.steering.range.now()));
    }
  }

  /** One is lifted, or the page is scrolled by it. */
  lift() {
    clearTimeout(this.restTimer);
    if (this.doing === "panning" || this.doing === "pinching") this.steering.settle();
    this.doing = "over";
    if (this.fingers.size) return;
    this.doing = "nothing";
    this.following.abort();
  }

  /** Where the two fingers are. @returns {import("../time/time_choice.js").Held} */
  held() {
    const [one, other] = this.fingers.values();
    return { centre: (one + other) / 2, apart: Math.abs(one - other) };
  }

  /**
   * @param {Plot} plot
   * @param {number} share of its width
   */
  point(plot, share) {
    const { clientWidth: width, clientHeight: height } = plot.over;
    plot.setCursor({ left: Math.max(0, Math.min(width - 1, share * width)), top: height / 2 }, true);
    this.onPoint();
  }
}

/**
 * @param {Plot} plot
 * @param {PointerEvent} at
 */
function shareOf(plot, at) {
  const { left, width } = plot.over.getBoundingClientRect();
  return (at.clientX - left) / width;
}
