// @ts-check
/** The names and current values under a chart. A click on a name hides or shows its line. */

import { element, setAttribute, setText } from "../page/dom.js";
import { seriesColour } from "../page/palette.js";
import { format } from "../page/units.js";

/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */

export class Legend {
  /** @param {(series: number, shown: boolean) => void} onToggle */
  constructor(onToggle) {
    this.onToggle = onToggle;
    this.element = element("div", { class: "legend" });
    /** @type {HTMLElement[]} */
    this.values = [];
    /** @type {HTMLElement[]} */
    this.swatches = [];
    /** @type {ChartSeries[]} */
    this.series = [];
  }

  /**
   * @param {ChartSeries[]} series
   * @param {boolean} canHide
   */
  setSeries(series, canHide) {
    this.series = series;
    this.values = [];
    this.swatches = [];
    this.element.replaceChildren(...series.map((one, at) => this.entry(one, at, canHide && series.length > 1)));
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
    this.values.push(value);
    this.swatches.push(swatch);
    const parts = [swatch, element("span", {}, one.label), value];
    if (!canHide) return element("span", { class: "entry" }, ...parts);
    const button = element("button", { class: "entry", type: "button", "aria-pressed": "true" }, ...parts);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      setAttribute(button, "aria-pressed", String(shown));
      this.onToggle(at, shown);
    });
    return button;
  }

  recolour() {
    this.swatches.forEach((swatch, at) => {
      swatch.style.background = seriesColour(this.series[at].colour);
      swatch.classList.toggle("down", this.series[at].down);
    });
  }

  /**
   * @param {(number | null | undefined)[]} values one for each series
   * @param {string} unit
   */
  setValues(values, unit) {
    this.values.forEach((node, at) => setText(node, format(values[at], unit)));
  }
}
