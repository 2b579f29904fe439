// @ts-check
/** The one chart component: a titled figure around uPlot, with bands, gaps, a legend and a cursor that all charts share. */

import { rowAxis, timeAxis, valueAxis } from "./axes.js";
import { element, setAttribute, setText, show } from "../page/dom.js";
import { columnRoles, columnsOf, filledBetween } from "./drawn.js";
import { drawHeat } from "./heat.js";
import { Legend } from "./legend.js";
import { MarkLayer } from "./mark_layer.js";
import { LANE } from "./marker_drawing.js";
import { faded, palette, seriesColour } from "../page/palette.js";
import { UPlot } from "./uplot.js";
import { format } from "../page/units.js";
import { clock, dateTime } from "../time/moments.js";

/** @typedef {import("../machine/charts.js").ChartSpec} ChartSpec */
/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */
/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {import("uplot")} Plot */
/** What a chart knows of the past: "away" means that only what came live is drawn. @typedef {"loading" | "filled" | "empty" | "away"} ChartState */

const HOUR = 3600;

export class Chart {
  /**
   * @param {ChartSpec} spec
   * @param {string} unit
   * @param {string} noun what an instance is ("core"), or ""
   * @param {() => [from: number, to: number]} span the time range that all charts show, seconds since 1970
   * @param {(from: number, to: number) => import("../live/contract.js").FleetEvent[]} events of a time, ascending
   */
  constructor(spec, unit, noun, span, events) {
    this.spec = spec;
    this.unit = unit;
    this.noun = noun;
    this.span = span;
    /** @type {ChartSeries[]} */
    this.series = [];
    /** @type {import("./drawn.js").ColumnRole[]} */
    this.roles = [];
    /** @type {Set<number>} */
    this.hidden = new Set();
    /** @type {ChartState} */
    this.state = "filled";
    /** @type {Timeline | null} */
    this.timeline = null;
    /** @type {Plot | null} */
    this.plot = null;
    this.legend = new Legend((series, shown) => this.toggle(series, shown));
    this.marks = new MarkLayer(spec.title, events);
    this.cursorTime = element("span", { class: "cursor-time" });
    this.canvasBox = element("div", { class: "plot", role: "img", "aria-label": spec.title });
    this.message = element("p", { class: "chart-message", hidden: "" });
    this.element = element(
      "figure",
      { class: "chart", "data-chart": spec.id },
      element("figcaption", {}, element("h3", {}, spec.title), this.cursorTime),
      element("div", { class: "plot-frame" }, this.canvasBox, this.message, this.marks.note),
      this.legend.element,
    );
    this.resizes = new ResizeObserver(() => this.resize());
    this.resizes.observe(this.canvasBox);
  }

  /**
   * Draw these series from now on.
   * @param {ChartSeries[]} series
   */
  setSeries(series) {
    this.series = series;
    this.roles = columnRoles(this.spec, series);
    this.hidden.clear();
    this.legend.setSeries(this.spec.form === "heat" ? [] : series, this.spec.form === "lines");
    this.rebuild();
  }

  /**
   * Draw the timeline as it is now, in the range as it is now.
   * @param {Timeline} timeline
   */
  draw(timeline) {
    this.timeline = timeline;
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
    this.plot = new UPlot(this.options(width, height), this.data(), this.canvasBox);
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
    return [timeline.times, ...columnsOf(timeline, this.roles, this.series)];
  }

  /**
   * @param {number} width
   * @param {number} height
   * @returns {import("uplot").Options}
   */
  options(width, height) {
    const heat = this.spec.form === "heat";
    return {
      width,
      height,
      // Above, the heads of marks; on the right half a label of the time axis fits.
      padding: [LANE, 26, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: false, y: false, setScale: false },
        points: { show: false },
        sync: { key: "machine", scales: ["x", null] },
        y: heat,
      },
      scales: {
        x: { time: true, range: () => this.span() },
        y: { range: (_, least, most) => this.valueRange(least, most) },
      },
      axes: [
        timeAxis(),
        heat ? rowAxis(this.series.map((one) => one.label)) : valueAxis(this.unit, this.spec.form === "mirror"),
      ],
      series: [{}, ...this.roles.map((role) => this.drawing(role))],
      bands: this.bands(),
      hooks: {
        setCursor: [(plot) => this.followCursor(plot)],
        drawAxes: heat ? [(plot) => this.drawRows(plot)] : [],
        draw: [(plot) => this.drawMarks(plot)],
      },
    };
  }

  /** @param {Plot} plot */
  drawRows(plot) {
    drawHeat(plot, this.spec.top ?? 100, this.timeline?.gapAfter ?? 1);
  }

  /**
   * @param {import("./drawn.js").ColumnRole} role
   * @returns {import("uplot").Series}
   */
  drawing(role) {
    if (this.spec.form === "heat") return { paths: () => null, points: { show: false } };
    const one = this.series[role.series];
    const colour = seriesColour(one.colour);
    const edge = role.part !== "line";
    const first = one.stacked && role === this.roles[0];
    return {
      stroke: edge ? "transparent" : colour,
      width: edge ? 0 : one.stacked || one.colour < 0 ? 1 : 1.5,
      fill: first ? faded(colour, 0.35) : undefined,
      dash: !edge && one.colour >= palette().series.length ? [5, 3] : undefined,
      spanGaps: false,
      // A sample between two gaps has no line: a point keeps it visible.
      points: edge || one.stacked ? { show: false } : { size: 3, width: 0, fill: colour, filter: lonePoints },
    };
  }

  /** @returns {import("uplot").Band[]} */
  bands() {
    if (this.spec.form === "heat") return [];
    return filledBetween(this.roles, this.series).map(({ upper, lower }) => {
      const one = this.series[this.roles[upper].series];
      return { series: [upper + 1, lower + 1], fill: faded(seriesColour(one.colour), one.stacked ? 0.35 : 0.18) };
    });
  }

  /**
   * @param {number | null} least
   * @param {number | null} most
   * @returns {[number, number]}
   */
  valueRange(least, most) {
    if (this.spec.form === "heat") return [0, this.series.length];
    const floor = this.spec.atLeast ?? Number.EPSILON;
    if (this.spec.form === "mirror") {
      return [Math.min(-floor, (least ?? 0) * 1.08), Math.max(floor, (most ?? 0) * 1.08)];
    }
    const highest = Math.max(floor, (most ?? 1) * 1.08);
    const ceiling = this.unit === "percent" ? Math.min(100, highest) : highest;
    return [Math.min(0, least ?? 0), this.spec.top ?? ceiling];
  }

  /**
   * @param {number} series
   * @param {boolean} shown
   */
  toggle(series, shown) {
    if (shown) this.hidden.delete(series);
    else this.hidden.add(series);
    this.roles.forEach((role, at) => {
      if (role.series === series) this.plot?.setSeries(at + 1, { show: shown });
    });
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

  /** Values under the cursor, else the newest. */
  updateLegend() {
    const { plot, timeline } = this;
    if (!timeline?.times.length) return;
    const under = (plot?.cursor.left ?? -1) >= 0 ? (plot?.cursor.idx ?? null) : null;
    const at = Math.min(under ?? Infinity, timeline.times.length - 1);
    const time = timeline.times[at];
    setText(this.cursorTime, under !== null ? (this.longSpan() ? dateTime(time) : clock(time)) : "");
    if (this.spec.form === "heat") this.tellHottest(at);
    else {
      const values = this.series.map((one) => timeline.columns.get(one.key)?.mean[at]);
      this.legend.setValues(values, this.unit);
    }
  }

  longSpan() {
    const [from, to] = this.span();
    return to - from > 6 * HOUR;
  }

  /** @param {number} at */
  tellHottest(at) {
    const values = this.series.map((one) => this.timeline?.columns.get(one.key)?.mean[at] ?? null);
    let hottest = 0;
    values.forEach((value, row) => {
      if ((value ?? -1) > (values[hottest] ?? -1)) hottest = row;
    });
    const text = `busiest: ${this.noun} ${this.series[hottest].label} at ${format(values[hottest], this.unit)}`;
    setText(this.legend.element, text);
  }
}

/**
 * @param {Plot} plot
 * @param {number} series
 */
function lonePoints(plot, series) {
  const values = plot.data[series];
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) found.push(at);
  }
  return found;
}
