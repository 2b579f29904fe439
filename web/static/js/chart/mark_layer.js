// @ts-check
/** The marks of one chart: which events they stand for now, and the note that says so where the cursor is. */

import { element, setAttribute, show } from "../page/dom.js";
import { markByKey } from "./mark_keys.js";
import { hung } from "./mark_places.js";
import { drawMarks } from "./marker_drawing.js";
import { countText, meant, placed, telling } from "./markers.js";
import { clock, dateTime } from "../time/moments.js";

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */
/** @typedef {import("uplot")} Plot */

const MOST_TOLD = 4;

export class MarkLayer {
  /**
   * @param {string} title of the chart
   * @param {(from: number, to: number) => FleetEvent[]} events of a time, ascending
   */
  constructor(title, events) {
    this.title = title;
    this.events = events;
    /** @type {import("./markers.js").Mark[]} */
    this.marks = [];
    // What it says is spoken when keys lead to it.
    this.note = element("div", { class: "mark-note", "aria-hidden": "true", hidden: "" });
    this.told = "";
  }

  /**
   * @param {Plot} plot
   * @param {[from: number, to: number]} span seconds since 1970
   */
  draw(plot, span) {
    const events = this.events(...span);
    this.marks = placed(events, (time) => plot.valToPos(time, "x"), plot.over.clientWidth);
    drawMarks(plot, this.marks);
    const figure = plot.root.closest("figure");
    if (figure) setAttribute(figure, "data-marked", String(events.length));
    const said = countText(events.length);
    setAttribute(/** @type {Element} */ (plot.root.parentElement), "aria-label", said ? `${this.title}, ${said}` : this.title);
  }

  /**
   * Say what the mark under the cursor stands for. All charts share the cursor; the style sheet shows the note of one.
   * @param {Plot} plot
   * @param {boolean} long whether times need their day
   */
  tell(plot, long) {
    const mark = meant(this.marks, plot.cursor.left ?? -1);
    show(this.note, mark !== null);
    if (!mark) return;
    const told = `${long} ${mark.events.map((event) => event.id).join(" ")}`;
    if (told !== this.told) this.note.replaceChildren(...lines(mark, long));
    this.told = told;
    this.hang(plot, mark.x);
  }

  /**
   * A key may lead the cursor to another mark. Returns whether it has.
   * @param {Plot} plot
   * @param {KeyboardEvent} key
   */
  press(plot, key) {
    if (key.ctrlKey || key.metaKey || key.altKey) return false;
    const mark = markByKey(key.key, this.marks, plot.cursor.left ?? -1);
    if (!mark) return false;
    key.preventDefault();
    plot.setCursor({ left: mark.x, top: plot.over.clientHeight / 2 }, true);
    return true;
  }

  /**
   * The mark under the cursor in words; "" without one.
   * @param {Plot} plot
   * @param {boolean} long whether times need their day
   */
  spoken(plot, long) {
    const mark = meant(this.marks, plot.cursor.left ?? -1);
    if (!mark) return "";
    return lines(mark, long).map((line) => [...line.childNodes].map((part) => part.textContent).join(" ")).join("; ");
  }

  /**
   * The note beside its mark.
   * @param {Plot} plot
   * @param {number} x of the mark
   */
  hang(plot, x) {
    const frame = /** @type {HTMLElement} */ (plot.root.parentElement);
    const before = frame.offsetLeft + plot.over.offsetLeft + x;
    const { left, right, widest } = hung(before, frame.offsetLeft + frame.offsetWidth);
    const { style } = this.note;
    style.left = left === null ? "auto" : `${left}px`;
    style.right = right === null ? "auto" : `${right}px`;
    style.maxWidth = `${widest}px`;
  }
}

/**
 * @param {import("./markers.js").Mark} mark
 * @param {boolean} long
 */
function lines(mark, long) {
  const told = telling(mark, MOST_TOLD);
  const made = told.map((event) => {
    const time = element("time", {}, long ? dateTime(event.time) : clock(event.time));
    return element("p", { "data-severity": event.severity }, time, element("span", {}, event.message));
  });
  const count = mark.events.length;
  if (count > 1) made.unshift(element("p", { class: "count" }, `${count} events`));
  if (count > told.length) made.push(element("p", { class: "count" }, `and ${count - told.length} more`));
  return made;
}
