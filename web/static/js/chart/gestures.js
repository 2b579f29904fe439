// @ts-check
/**
 * What mouse and keyboard do on a chart; Touch has what fingers do. Dragging over the plot chooses a part of the time; with Shift, or on the
 * axis below, it moves along. A double click shows more. Keys move the cursor, and the time.
 */

import { Touch } from "./touch.js";

/** @typedef {import("uplot")} Plot */
/** @typedef {import("../time/steering.js").Steering} Steering */

const WIDER = 2;
const KEY_STEP = 0.5;

export class Gestures {
  /**
   * @param {Steering} steering
   * @param {() => void} onPoint called when a key or a finger has moved the cursor
   */
  constructor(steering, onPoint) {
    this.steering = steering;
    this.onPoint = onPoint;
    /** Whether a part of the time is being chosen. */
    this.choosing = false;
    this.touch = new Touch(steering, onPoint);
  }

  /**
   * Listen on a plot that was just made.
   * @param {Plot} plot
   */
  attach(plot) {
    this.touch.attach(plot);
    plot.over.addEventListener("mousedown", (down) => down.shiftKey && stopped(down), { capture: true });
    plot.over.addEventListener("pointerdown", (down) => down.shiftKey && down.pointerType !== "touch" && this.pan(plot, down));
    plot.over.addEventListener("pointerdown", (down) => down.pointerType !== "touch" && !down.shiftKey && this.hold(plot, down));
    plot.over.addEventListener("lostpointercapture", () => (this.choosing = false));
    plot.cursor.move = (_, left, top) => (this.choosing ? within(plot.over, left, top) : [left, top]);
    plot.over.addEventListener("dblclick", (click) => this.steering.zoom(WIDER, plot.posToVal(click.offsetX, "x")));
    const axis = plot.root.querySelector(".u-axis");
    axis?.addEventListener("pointerdown", (down) => this.pan(plot, /** @type {PointerEvent} */ (down)));
  }

  /**
   * What is dragged goes on wherever the pointer goes: uPlot would take leaving the plot for a drag to its edge.
   * @param {Plot} plot
   * @param {PointerEvent} down
   */
  hold(plot, down) {
    if (down.button !== 0 || !down.isPrimary) return;
    this.choosing = true;
    plot.over.setPointerCapture(down.pointerId);
  }

  /**
   * Something was chosen by dragging.
   * @param {Plot} plot
   */
  selected(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.steering.choose(from, to);
  }

  /**
   * Move along for as long as the pointer is down.
   * @param {Plot} plot
   * @param {PointerEvent} down
   */
  pan(plot, down) {
    if (down.button !== 0 || !down.isPrimary) return;
    down.preventDefault();
    const width = plot.over.clientWidth;
    // On the document: what is dragged may be drawn anew meanwhile.
    const dragging = new AbortController();
    const { signal } = dragging;
    const move = (/** @type {PointerEvent} */ at) => this.steering.drag((down.clientX - at.clientX) / width);
    const end = () => {
      dragging.abort();
      this.steering.settle();
    };
    document.addEventListener("pointermove", move, { signal });
    document.addEventListener("pointerup", end, { signal });
    document.addEventListener("pointercancel", end, { signal });
  }

  /**
   * @param {Plot} plot
   * @param {KeyboardEvent} key
   */
  press(plot, key) {
    if (key.ctrlKey || key.metaKey || key.altKey) return;
    if (!this.act(plot, key.key)) return;
    key.preventDefault();
  }

  /**
   * Whether the key means something here.
   * @param {Plot} plot
   * @param {string} key
   */
  act(plot, key) {
    const times = plot.data[0];
    const [first, last] = plot.series[0].idxs ?? [0, times.length - 1];
    const at = (plot.cursor.left ?? -1) >= 0 ? (plot.cursor.idx ?? last) : null;
    // The end is what people look at, as long as they point at nothing.
    const around = (at === null ? undefined : times[at]) ?? plot.scales.x.max ?? 0;
    if (key === "ArrowLeft") this.point(plot, at === null ? last : Math.max(first, at - 1));
    else if (key === "ArrowRight") this.point(plot, at === null ? first : Math.min(last, at + 1));
    else if (key === "Home") this.point(plot, first);
    else if (key === "End") this.point(plot, last);
    else if (key === "PageUp") this.steering.step(-KEY_STEP);
    else if (key === "PageDown") this.steering.step(KEY_STEP);
    else if (key === "+" || key === "=") this.steering.zoom(1 / WIDER, around);
    else if (key === "-") this.steering.zoom(WIDER, around);
    else return false;
    return true;
  }

  /**
   * Put the cursor of all charts on a row.
   * @param {Plot} plot
   * @param {number} row
   */
  point(plot, row) {
    const time = plot.data[0][row];
    if (time === undefined) return;
    const left = Math.max(0, Math.min(plot.over.clientWidth - 1, plot.valToPos(time, "x")));
    // In a heat map the row that is pointed at stays.
    const top = (plot.cursor.top ?? -1) >= 0 ? plot.cursor.top : plot.over.clientHeight / 2;
    plot.setCursor({ left, top: top ?? 0 }, true);
    this.onPoint();
  }
}

/**
 * The nearest place within a plot, in pixels.
 * @param {HTMLElement} over
 * @param {number} left
 * @param {number} top
 * @returns {[left: number, top: number]}
 */
function within({ clientWidth, clientHeight }, left, top) {
  return [Math.max(0, Math.min(clientWidth, left)), Math.max(0, Math.min(clientHeight, top))];
}

/** @param {Event} event that uPlot is not to see */
function stopped(event) {
  event.stopImmediatePropagation();
}
