// @ts-check
/** A thin bar that shows how full something is. Its number stands beside it, so it is hidden from screen readers. */

import { level } from "../live/figures.js";
import { element, setAttribute } from "./dom.js";

export class Meter {
  constructor() {
    this.bar = element("i", {});
    this.element = element("span", { class: "meter", "aria-hidden": "true" }, this.bar);
    this.shown = -1;
  }

  /** @param {number | null} percent */
  set(percent) {
    const width = Math.round(Math.min(100, percent ?? 0) * 2) / 2;
    if (width === this.shown) return;
    this.shown = width;
    this.bar.style.transform = `scaleX(${width / 100})`;
    setAttribute(this.element, "data-level", level(percent));
  }
}
