// @ts-check
/** The chart of a comparison: lines of which one can be brought out, or a heat map with the name of each row; a note at the cursor says what lies there. */

import { Chart } from "../chart/chart.js";
import { readingsAt } from "../chart/readings.js";
import { element, setText, show } from "../page/dom.js";
import { palette } from "../page/palette.js";
import { format } from "../page/units.js";
import { clock, dateTime } from "../time/moments.js";
import { keyParts } from "./fleet_timeline.js";
import { drawHeatRows } from "./heat_rows.js";
import { nameAxis, nameAtPointer } from "./row_names.js";

/** @typedef {import("uplot")} Plot */
/** @typedef {import("../chart/timeline.js").Timeline} Timeline */

const NOTE_APART = 14;

export class CompareChart extends Chart {
  /**
   * @param {import("../machine/charts.js").ChartSpec} spec
   * @param {string} unit of the metric
   * @param {import("../chart/chart.js").ChartPage} page
   * @param {(series: number | null) => void} onMeant called with the series that the cursor means
   */
  constructor(spec, unit, page, onMeant) {
    super(spec, unit, "", page);
    this.onMeant = onMeant;
    this.machine = element("span", {});
    this.instance = element("span", {});
    this.what = element("b", {}, this.machine, this.instance);
    this.when = element("span", {});
    this.value = element("span", { class: "value" });
    this.most = element("span", {});
    const said = [this.what, this.value, this.most, this.when];
    this.note = element("p", { class: "cursor-note", "aria-hidden": "true", hidden: "" }, ...said);
    this.canvasBox.after(this.note);
    // The list beside the chart has names and values.
    this.legend.element.remove();
  }

  /** @override */
  get focuses() {
    return this.spec.form === "lines";
  }

  /**
   * The values of the faintest and of the fullest colour of the map.
   * @returns {[low: number, high: number]}
   */
  scale() {
    let [low, high] = [0, this.spec.top ?? 0];
    for (const { key } of this.series) {
      for (const value of this.timeline?.columns.get(key)?.max ?? []) {
        if (value === null) continue;
        if (value > high) high = value;
        if (value < low) low = value;
      }
    }
    return [low, high > low ? high : this.spec.atLeast || 1];
  }

  /**
   * @override
   * @param {{width: number, height: number}} size in pixels
   * @returns {import("uplot").Options}
   */
  options({ width, height }) {
    const options = super.options({ width, height });
    if (this.spec.form === "heat") {
      const [time] = options.axes ?? [];
      options.axes = [time, nameAxis(this.series.map(nameOf), width, height - 50)];
      const labels = this.series.map((one) => one.label);
      options.hooks = { ...options.hooks, init: [(plot) => nameAtPointer(plot, labels)] };
      // It only has the axes and the cursor: the map is drawn as a whole.
      options.series = [{}, { paths: () => null, points: { show: false } }];
    }
    return options;
  }

  /**
   * @override
   * @returns {import("uplot").AlignedData}
   */
  data() {
    if (this.spec.form !== "heat") return super.data();
    const times = this.timeline?.times ?? [];
    return [times, times.map(() => null)];
  }

  /**
   * The map has its own hatching; of lines each has gaps of its own.
   * @override
   * @param {Plot} plot
   * @param {boolean} inside
   */
  drawHoles(plot, inside) {
    if (this.spec.form !== "heat") super.drawHoles(plot, inside);
  }

  /**
   * @override
   * @param {Plot} plot
   */
  drawRows(plot) {
    const rows = this.series.map((one) => this.timeline?.columns.get(one.key)?.max);
    // Of what is yet to come nothing is missing.
    const present = this.range.now();
    const told = (this.timeline?.told ?? []).map(({ from, to }) => ({ from, to: Math.min(to, present) }));
    drawHeatRows(plot, rows, this.scale(), this.timeline?.step ?? 1, told);
    if (this.out !== null) outline(plot, this.out, rows.length);
  }

  /**
   * @override
   * @param {number | null} series
   */
  bringOut(series) {
    if (this.spec.form !== "heat") return super.bringOut(series);
    this.out = series;
    this.plot?.redraw(false, false);
  }

  /**
   * @override
   * @param {number | null} column
   */
  meant(column) {
    if (this.setting) return;
    super.meant(column);
    this.onMeant(this.out);
    if (this.plot) this.tell(this.plot);
  }

  /**
   * @override
   * @param {Plot} plot
   */
  followCursor(plot) {
    if (this.spec.form === "heat") {
      const row = this.rowAt(plot);
      if (row !== this.out) {
        this.bringOut(row);
        this.onMeant(row);
      }
    }
    this.tell(plot);
    this.marks.tell(plot, this.longSpan());
  }

  /**
   * The row of the map under the cursor.
   * @param {Plot} plot
   */
  rowAt(plot) {
    const { left = -1, top = -1 } = plot.cursor;
    if (left < 0 || top < 0) return null;
    return Math.min(this.series.length - 1, Math.floor((top / plot.over.clientHeight) * this.series.length));
  }

  /** What lies at the cursor. @param {Plot} plot */
  tell(plot) {
    const { left = -1, top = -1, idx } = plot.cursor;
    const one = left < 0 || this.out === null ? undefined : this.series[this.out];
    const time = this.timeline?.times[idx ?? -1];
    show(this.note, one !== undefined && time !== undefined);
    if (!one || time === undefined) return;
    const [{ mean, max }] = readingsAt(/** @type {Timeline} */ (this.timeline), [one], idx ?? -1);
    const [machine, instance] = nameOf(one);
    setText(this.machine, machine);
    setText(this.instance, machine && instance ? ` ${instance}` : instance);
    setText(this.value, mean === null ? "no sample" : format(mean, this.unit));
    setText(this.most, max === null ? "" : `at most ${format(max, this.unit)}`);
    setText(this.when, this.longSpan() ? dateTime(time) : clock(time));
    this.place(plot, left, top);
  }

  /**
   * The note beside the cursor, on the side where there is more room.
   * @param {Plot} plot
   * @param {number} left
   * @param {number} top
   */
  place(plot, left, top) {
    const x = this.canvasBox.offsetLeft + plot.over.offsetLeft + left;
    const width = this.canvasBox.offsetLeft + this.canvasBox.clientWidth;
    const { style } = this.note;
    const right = x > width / 2;
    style.left = right ? "auto" : `${x + NOTE_APART}px`;
    style.right = right ? `${width - x + NOTE_APART}px` : "auto";
    style.top = `${Math.max(0, plot.over.offsetTop + top - NOTE_APART)}px`;
  }

  /** @override */
  updateLegend() {
    if (this.plot) this.tell(this.plot);
  }

  /**
   * Up and down go from row to row of a heat map.
   * @override
   * @param {Plot} plot
   * @param {KeyboardEvent} key
   */
  press(plot, key) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[key.key];
    if (!step || this.spec.form !== "heat" || key.ctrlKey || key.metaKey || key.altKey) return super.press(plot, key);
    key.preventDefault();
    const rows = this.series.length;
    const row = Math.max(0, Math.min(rows - 1, this.out === null ? 0 : this.out + step));
    const { clientWidth: width, clientHeight: height } = plot.over;
    const left = plot.cursor.left ?? -1;
    plot.setCursor({ left: left >= 0 ? left : this.lastPlace(plot, width), top: ((row + 0.5) / rows) * height }, true);
    this.tellCursor();
  }

  /**
   * Where the newest reading lies, in pixels from the left.
   * @param {Plot} plot
   * @param {number} width
   */
  lastPlace(plot, width) {
    const times = plot.data[0];
    return Math.max(0, Math.min(width - 1, plot.valToPos(times[times.length - 1] ?? 0, "x")));
  }

  /** @override */
  tellCursor() {
    if (this.spec.form !== "heat") return super.tellCursor();
    const said = [...this.note.children].flatMap((one) => one.textContent || []);
    setText(this.spoken, this.note.hidden ? "" : said.join(", "));
  }
}

/**
 * Its label, which ends in the instance where there is one.
 * @param {import("../chart/drawn.js").ChartSeries} series
 * @returns {import("./row_names.js").RowName}
 */
function nameOf({ key, label }) {
  const [, instance] = keyParts(key);
  return [label.slice(0, label.length - instance.length).trimEnd(), instance];
}

/**
 * A frame around a row of the map.
 * @param {Plot} plot
 * @param {number} row
 * @param {number} rows
 */
function outline(plot, row, rows) {
  const { ctx, bbox } = plot;
  const height = bbox.height / rows;
  ctx.save();
  ctx.strokeStyle = palette().text;
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeRect(bbox.left, Math.round(bbox.top + row * height) - 0.5, bbox.width, Math.round(height));
  ctx.restore();
}
