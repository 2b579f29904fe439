// @ts-check
/**
 * A thin bar that shows how full something is, coloured by the alert rules, with a mark where each begins to hold.
 * Its number stands beside it, so it is hidden from screen readers.
 */

import { element, setAttribute } from "./dom.js";

export class Meter {
  constructor() {
    this.bar = element("i", {});
    this.element = element("span", { class: "meter", "aria-hidden": "true" }, this.bar);
    this.width = -1;
    this.marks = "";
  }

  /** @param {import("../live/limits.js").Gauge} gauge */
  set({ percent, level, marks }) {
    const width = Math.round(Math.max(0, Math.min(100, percent ?? 0)) * 2) / 2;
    if (width !== this.width) this.bar.style.transform = `scaleX(${width / 100})`;
    this.width = width;
    setAttribute(this.element, "data-level", level);
    if (marks.join() === this.marks) return;
    this.marks = marks.join();
    const drawn = marks.map((place) => {
      const mark = element("u", {});
      mark.style.left = `${place}%`;
      return mark;
    });
    this.element.replaceChildren(this.bar, ...drawn);
  }
}
