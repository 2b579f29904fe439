// @ts-check
/** The one chart component: a titled figure around uPlot, with bands, gaps, a legend and a cursor that all charts share. */

import { element, setAttribute, setText, show } from "../page/dom.js";
import { palette, seriesColour } from "../page/palette.js";
import { duration, format } from "../page/units.js";
import { writtenUnit } from "../page/preferences.js";
import { clock, dateTime } from "../time/moments.js";
import { columnRoles, columnsOf, isCrowded } from "./drawn.js";
import { NARROWEST, hatch } from "./gap_layer.js";
import { asFarAsTold, holesAt, holesOf, sayHoles, withLost } from "./gaps.js";
import { Gestures } from "./gestures.js";
import { drawHeat } from "./heat.js";
import { Legend } from "./legend.js";
import { drawBand } from "./line_band.js";
import { MarkLayer } from "./mark_layer.js";
import { plotOptions } from "./plot_options.js";
import { busiest, newestReadings, readingsAt } from "./readings.js";
import { UPlot } from "./uplot.js";

/** @typedef {import("../machine/charts.js").ChartSpec} ChartSpec */
/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */
/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {import("uplot")} Plot */
/** What a chart knows of the past: "away" means that only what came live is drawn. @typedef {"loading" | "filled" | "empty" | "away"} ChartState */
/**
 * What a chart shares with the others of its page: the time that is shown, who changes that, and the events of a time,
 * ascending.
 * @typedef {{range: import("../time/range.js").Range, steering: import("../time/steering.js").Steering,
 *   events: (from: number, to: number) => import("../live/contract.js").FleetEvent[]}} ChartPage
 */

const HOUR = 3600;
const MOST_SPOKEN = 8;
const KEYS = {
  "aria-describedby": "chart-keys",
  "aria-keyshortcuts": "ArrowLeft ArrowRight Home End PageUp PageDown N P Plus -",
};
const CREST = "thin line: the greatest of all";

export class Chart {
  /**
   * @param {ChartSpec} spec
   * @param {string} unit of the metrics
   * @param {string} noun what an instance is ("core"), or ""
   * @param {ChartPage} page
   */
  constructor(spec, unit, noun, page) {
    this.spec = spec;
    this.metricUnit = unit;
    this.noun = noun;
    this.range = page.range;
    /** @type {ChartSeries[]} */
    this.series = [];
    /** @type {import("./drawn.js").ColumnRole[]} */
    this.roles = [];
    /** Those that are not drawn. @type {Set<number>} */
    this.hidden = new Set();
    /** The one that is brought out. @type {number | null} */
    this.out = null;
    /** Whether it is this that changes a series of uPlot, not the cursor. */
    this.setting = false;
    /** @type {ChartState} */
    this.state = "filled";
    /** @type {Timeline | null} */
    this.timeline = null;
    /** What is known to be lost. @type {import("../live/contract.js").HistoryGap[]} */
    this.lost = [];
    /** When the machine was first heard of, in seconds since 1970. @type {number | null} */
    this.since = null;
    /** @type {import("./gaps.js").Hole[]} */
    this.holes = [];
    /** @type {Plot | null} */
    this.plot = null;
    this.legend = new Legend({
      toggle: (series, shown) => this.toggle(series, shown),
      point: (series) => this.focuses && this.bringOut(series),
    });
    this.marks = new MarkLayer(spec.title, page.events);
    this.gestures = new Gestures(page.steering, () => this.tellCursor());
    this.cursorTime = element("span", { class: "cursor-time" });
    this.canvasBox = element("div", { class: "plot", role: "img", "aria-label": spec.title, tabindex: "0", ...KEYS });
    this.message = element("p", { class: "chart-message", hidden: "" });
    this.spoken = element("p", { class: "only-read", "aria-live": "polite" });
    this.element = element(
      "figure",
      { class: "chart", "data-chart": spec.id },
      element("figcaption", {}, element("h3", {}, spec.title), this.cursorTime),
      element("div", { class: "plot-frame" }, this.canvasBox, this.message, this.marks.note, this.spoken),
      this.legend.element,
    );
    this.canvasBox.addEventListener("keydown", (key) => this.plot && this.press(this.plot, key));
    /** Of the plot with its axis, in pixels: asking the page would have it laid out. */
    this.width = 0;
    this.resizes = new ResizeObserver(([{ contentRect }]) => {
      this.width = Math.round(contentRect.width);
      this.resize();
    });
    this.resizes.observe(this.canvasBox);
  }

  /** What values are written in. */
  get unit() {
    return writtenUnit(this.spec.metrics[0][0], this.metricUnit);
  }

  span() {
    return this.range.span();
  }

  /** Whether the line near the cursor is brought out. */
  get focuses() {
    return isCrowded(this.roles);
  }

  /**
   * Draw these series from now on.
   * @param {ChartSeries[]} series
   */
  setSeries(series) {
    this.series = series;
    this.roles = columnRoles(this.spec, series);
    this.hidden.clear();
    this.out = null;
    this.legend.setSeries(this.spec.form === "heat" ? [] : series, this.spec.form === "lines", isCrowded(this.roles) ? CREST : "");
    this.rebuild();
  }

  /**
   * Draw the timeline as it is now, in the range as it is now.
   * @param {Timeline} timeline
   */
  draw(timeline) {
    this.timeline = timeline;
    const [from, to] = this.span();
    const present = Math.min(to, this.range.now());
    const holes = asFarAsTold(holesOf(timeline, present, this.since, from), timeline.told);
    this.holes = withLost(holes, this.lost, from, to);
    if (!this.plot) this.rebuild();
    this.plot?.setData(this.data());
    this.updateLegend();
    if (timeline.times.length) setAttribute(this.element, "data-newest", timeline.newest.toFixed(3));
  }

  /**
   * Say something beside the numbers, or nothing with "".
   * @param {ChartState} state
   * @param {string} text
   */
  say(state, text) {
    this.state = state;
    setAttribute(this.message, "data-state", state);
    setText(this.message, text);
    show(this.message, text !== "");
  }

  destroy() {
    this.resizes.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  /** Colours or series have changed: uPlot is made anew. */
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.legend.recolour();
    const { width, height } = this.size();
    if (!this.series.length || !this.timeline || !width) return;
    this.plot = new UPlot(this.options({ width, height }), this.data(), this.canvasBox);
    this.gestures.attach(this.plot);
    if (this.out !== null) this.bringOut(this.out);
  }

  size() {
    return { width: this.canvasBox.clientWidth, height: this.canvasBox.clientHeight };
  }

  resize() {
    if (!this.plot) this.rebuild();
    else this.plot.setSize(this.size());
  }

  /** @returns {import("uplot").AlignedData} */
  data() {
    const timeline = /** @type {Timeline} */ (this.timeline);
    return [timeline.times, ...columnsOf(timeline, this.roles, this.series, this.hidden)];
  }

  /**
   * @param {{width: number, height: number}} size in pixels
   * @returns {import("uplot").Options}
   */
  options(size) {
    return plotOptions(this, size, this.hooks());
  }

  /** @returns {import("uplot").Hooks.Arrays} */
  hooks() {
    const heat = this.spec.form === "heat";
    return {
      setCursor: [(plot) => this.followCursor(plot)],
      setSelect: [(plot) => this.gestures.selected(plot)],
      setSeries: [(_, column) => this.meant(column)],
      drawAxes: [(plot) => this.drawHoles(plot, false), ...(heat ? [(/** @type {Plot} */ plot) => this.drawRows(plot)] : [])],
      // Over what the rest of the bucket has.
      draw: [(plot) => this.drawHoles(plot, true), (plot) => this.drawOut(plot), (plot) => this.drawMarks(plot)],
    };
  }

  /**
   * @param {Plot} plot
   * @param {boolean} inside those within a bucket that has readings, or the others
   */
  drawHoles(plot, inside) {
    const holes = this.holes.filter((one) => (one.inside ?? false) === inside);
    hatch(plot, holes, inside ? palette().text : palette().hatch);
  }

  /** @param {Plot} plot */
  drawRows(plot) {
    drawHeat(plot, this.spec.top ?? 100, this.timeline?.gapAfter ?? 1);
  }

  /**
   * @param {number} series
   * @param {boolean} shown
   */
  toggle(series, shown) {
    if (shown) this.hidden.delete(series);
    else this.hidden.add(series);
    this.setting = true;
    this.roles.forEach((role, at) => {
      if (role.series === series) this.plot?.setSeries(at + 1, { show: shown });
    });
    this.setting = false;
    if (isCrowded(this.roles) && this.timeline) this.plot?.setData(this.data());
  }

  /** Bring one series out, or none. @param {number | null} series */
  bringOut(series) {
    this.out = series;
    const column = this.roles.findIndex((role) => role.series === series && role.part === "line");
    this.setting = true;
    // The types do not know that none is null.
    this.plot?.setSeries(/** @type {number} */ (/** @type {unknown} */ (column < 0 ? null : column + 1)), { focus: true });
    this.setting = false;
  }

  /** uPlot says which column the cursor is near; null is none. @param {number | null} column */
  meant(column) {
    if (this.setting) return;
    this.out = column === null ? null : (this.roles[column - 1]?.series ?? null);
    this.legend.bringOut(this.out);
  }

  /** What the one that is brought out reached, where not each has a band. @param {Plot} plot */
  drawOut(plot) {
    const one = this.out === null ? undefined : this.series[this.out];
    const column = one && this.timeline?.columns.get(one.key);
    if (one && column && isCrowded(this.roles)) drawBand(plot, column, one.down, seriesColour(one.colour));
  }

  /** What a cursor that rests lies on changes with the time. @param {Plot} plot */
  drawMarks(plot) {
    this.marks.draw(plot, this.span());
    this.marks.tell(plot, this.longSpan());
  }

  /** @param {Plot} plot */
  followCursor(plot) {
    this.updateLegend();
    this.marks.tell(plot, this.longSpan());
  }

  /** What is under the cursor, else the newest, and the greatest of what is shown. */
  updateLegend() {
    const { timeline } = this;
    if (!timeline?.times.length) return;
    const under = this.rowUnderCursor();
    setText(this.cursorTime, under === null ? "" : this.momentText(under));
    if (this.spec.form === "heat") this.tellHottest(under ?? timeline.times.length - 1);
    else this.legend.setReadings(this.readings(under), this.unit);
  }

  /** @param {number | null} row null is the newest */
  readings(row) {
    const timeline = /** @type {Timeline} */ (this.timeline);
    return row === null ? newestReadings(timeline, this.series, this.span()[0]) : readingsAt(timeline, this.series, row);
  }

  /** @returns {number | null} */
  rowUnderCursor() {
    const { plot, timeline } = this;
    if (!plot || !timeline || (plot.cursor.left ?? -1) < 0) return null;
    const row = plot.cursor.idx ?? null;
    return row === null ? null : Math.min(row, timeline.times.length - 1);
  }

  /** @param {number} row */
  momentText(row) {
    const { plot, timeline } = this;
    const time = /** @type {Timeline} */ (timeline).times[row];
    const pointed = plot ? plot.posToVal(plot.cursor.left ?? 0, "x") : time;
    const near = plot ? NARROWEST * (this.range.length / plot.over.clientWidth) : 0;
    const holes = holesAt(this.holes, pointed, near);
    const missing = sayHoles(holes, this.lost);
    if (missing && !holes.every((one) => one.inside)) return missing;
    const said = this.longSpan() ? dateTime(time) : clock(time);
    return missing ? `${said}, ${missing}` : said;
  }

  /**
   * @param {Plot} plot
   * @param {KeyboardEvent} key
   */
  press(plot, key) {
    if (this.marks.press(plot, key)) this.tellCursor();
    else this.gestures.press(plot, key);
  }

  /** For who moves the cursor by keys and may not see it. */
  tellCursor() {
    const row = this.rowUnderCursor();
    const event = this.plot ? this.marks.spoken(this.plot, this.longSpan()) : "";
    const values = row === null ? [] : this.readings(row).map((one, at) => `${this.series[at].label} ${readingText(one, this.unit)}`);
    const moment = row === null ? "" : this.momentText(row);
    setText(this.spoken, [event, moment, ...values.slice(0, MOST_SPOKEN)].filter(Boolean).join(", "));
  }

  longSpan() {
    return this.range.length > 6 * HOUR;
  }

  /** @param {number} row */
  tellHottest(row) {
    const timeline = /** @type {Timeline} */ (this.timeline);
    const readings = readingsAt(timeline, this.series, row);
    const hottest = busiest(readings);
    const named = hottest === null ? "" : `busiest: ${this.noun} ${this.series[hottest].label} at `;
    const said = hottest === null ? "nothing was read" : `${named}${readingText(readings[hottest], this.unit)}`;
    const cells = timeline.step ? `; cells show the greatest reading of each ${duration(timeline.step)}` : "";
    setText(this.legend.element, said + cells);
  }
}

/**
 * "12.3%, at most 98.0%".
 * @param {import("./readings.js").Reading} reading
 * @param {string} unit
 */
function readingText({ mean, max }, unit) {
  return max === null ? format(mean, unit) : `${format(mean, unit)}, at most ${format(max, unit)}`;
}
