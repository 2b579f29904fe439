// @ts-check
/** The names and values under a chart. A click on a name hides or shows its line, pointing at it brings it out. */

import { element, setAttribute, setText, show } from "../page/dom.js";
import { swatchOf } from "../page/palette.js";
import { format } from "../page/units.js";

/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */

/**
 * What the legend does for others. `point` is called with the series that is pointed at or has focus, or null.
 * @typedef {{toggle: (series: number, shown: boolean) => void, point: (series: number | null) => void}} Deeds
 */

export class Legend {
  /** @param {Deeds} deeds */
  constructor(deeds) {
    this.deeds = deeds;
    this.element = element("div", { class: "legend" });
    /** @type {HTMLElement[]} */
    this.values = [];
    /** @type {HTMLElement[]} */
    this.maxima = [];
    /** @type {HTMLElement[]} */
    this.swatches = [];
    /** @type {ChartSeries[]} */
    this.series = [];
  }

  /**
   * @param {ChartSeries[]} series
   * @param {boolean} canHide
   * @param {string} note said after them, or ""
   */
  setSeries(series, canHide, note) {
    this.series = series;
    this.values = [];
    this.maxima = [];
    this.swatches = [];
    this.element.replaceChildren(...series.map((one, at) => this.entry(one, at, canHide && series.length > 1)));
    if (note) this.element.append(element("span", { class: "entry" }, note));
    this.recolour();
  }

  /**
   * @param {ChartSeries} one
   * @param {number} at
   * @param {boolean} canHide
   */
  entry(one, at, canHide) {
    const swatch = element("i", { class: "swatch", "aria-hidden": "true" });
    const value = element("b", {});
    const max = element("small", { hidden: "" });
    this.values.push(value);
    this.maxima.push(max);
    this.swatches.push(swatch);
    const parts = [swatch, element("span", { title: one.label }, one.label), value, max];
    if (!canHide) return element("span", { class: "entry" }, ...parts);
    const button = element("button", { class: "entry", type: "button", "aria-pressed": "true" }, ...parts);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      setAttribute(button, "aria-pressed", String(shown));
      this.deeds.toggle(at, shown);
    });
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => this.deeds.point(at));
    for (const type of ["pointerleave", "blur"]) button.addEventListener(type, () => this.deeds.point(null));
    return button;
  }

  recolour() {
    this.swatches.forEach((swatch, at) => {
      swatch.style.background = swatchOf(this.series[at].colour);
      swatch.classList.toggle("down", this.series[at].down);
    });
  }

  /** Mark the name of the line that is brought out, or none. @param {number | null} series */
  bringOut(series) {
    [...this.element.children].forEach((entry, at) => entry.classList.toggle("meant", at === series));
  }

  /**
   * @param {import("./readings.js").Reading[]} readings one for each series
   * @param {string} unit
   */
  setReadings(readings, unit) {
    readings.forEach(({ mean, max }, at) => {
      const [usual, most] = [mean, max].map((value) => format(value, unit));
      setText(this.values[at], usual);
      setText(this.maxima[at], `max ${most}`);
      show(this.maxima[at], max !== null && most !== usual);
    });
  }
}
