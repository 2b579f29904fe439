// @ts-check
/** Draws a comparison: its chart, the list beside it, and what brings out or hides a series in both. */

import { byId, setText, show } from "../page/dom.js";
import { onPaletteChange } from "../page/palette.js";
import { onUnitsChange, writtenUnit } from "../page/preferences.js";
import { format } from "../page/units.js";
import { Steering } from "../time/steering.js";
import { CompareChart } from "./compare_chart.js";
import { keyParts } from "./fleet_timeline.js";
import { Colours, standings } from "./ranking.js";
import { SeriesList, stateNote } from "./series_list.js";

/** @typedef {import("./comparison.js").Comparison} Comparison */
/** @typedef {import("./compare_choice.js").CompareChoice} CompareChoice */
/** @typedef {import("./ranking.js").Standing} Standing */

/** More rows than these are thinner than a line. */
export const MOST_ROWS = 500;
/** Places change no faster: a list whose rows jump cannot be read. */
const RANK_MS = 10_000;
/** Of a heat map, in CSS pixels. */
const ROW_HEIGHT = 18;
const HEAT_HEIGHT = /** @type {const} */ ([180, 860]);
/** Room above and below the rows. */
const HEAT_FRAME = 44;

export class Drawing {
  /**
   * @param {import("../live/store.js").Store} store
   * @param {import("../time/range.js").Range} range
   * @param {(from: number, to: number, machines: Set<string>) => import("../live/contract.js").FleetEvent[]} events of some machines
   */
  constructor(store, range, events) {
    this.store = store;
    this.range = range;
    /** @type {import("../chart/chart.js").ChartPage} */
    this.page = {
      range,
      steering: new Steering(range, () => this.redraw()),
      events: (from, to) => events(from, to, this.machines()),
    };
    this.place = byId("compare-chart");
    this.list = new SeriesList(byId("compare-list"), {
      point: (key) => this.bringOut(key),
      toggle: (key) => this.toggle(key),
      listMore: () => this.redraw(),
    });
    this.colours = new Colours();
    /** @type {Set<string>} */
    this.hidden = new Set();
    /** @type {CompareChart | null} */
    this.chart = null;
    /** What the chart was made for. */
    this.made = "";
    /** Keys that are drawn, in order. @type {string[]} */
    this.keys = [];
    /** What the chart's series were made of. */
    this.drawnKeys = "";
    this.rankedAt = -Infinity;
    /** How many series there are, drawn or not. */
    this.known = 0;
    this.stopPalette = onPaletteChange(() => this.recolour());
    this.stopUnits = onUnitsChange(() => this.redraw());
    /** @type {() => void} */
    this.redraw = () => {};
  }

  /**
   * Draw what is known now.
   * @param {Comparison} comparison
   * @param {CompareChoice} choice
   * @param {string} unit of the metric
   * @param {boolean} anew whether places may change at once
   */
  draw(comparison, choice, unit, anew) {
    this.redraw = () => this.draw(comparison, choice, unit, true);
    const written = writtenUnit(choice.metric, unit);
    const chart = this.chartFor(choice, unit, written);
    const ranked = standings(comparison.timeline, ...this.range.span());
    const read = ranked.filter((one) => one.mean !== null);
    this.known = read.length;
    if (anew || (Date.now() - this.rankedAt > RANK_MS && !this.list.inUse)) this.rank(read, choice);
    const drawn = this.followKeys(read, ranked);
    chart.timeline = comparison.timeline;
    this.followSeries(chart, drawn, comparison.machines.length > 1);
    chart.draw(comparison.timeline);
    const now = this.store.now();
    this.list.update(drawn, written, (name) => stateNote(this.store.machines.get(name), now));
    this.mark();
    this.tellScale(chart, choice, written);
  }

  /**
   * @param {CompareChoice} choice
   * @param {string} unit of the metric
   * @param {string} written the unit that numbers are written in
   */
  chartFor(choice, unit, written) {
    const wanted = JSON.stringify([choice.metric, choice.shape, choice.instance, written]);
    if (this.chart && this.made === wanted) return this.chart;
    this.chart?.destroy();
    this.made = wanted;
    this.keys = [];
    this.hidden.clear();
    this.list.begin(choice.shape === "lines");
    /** @type {import("../machine/charts.js").ChartSpec} */
    const spec = { id: "compare", title: choice.metric, form: choice.shape, metrics: [[choice.metric, ""]] };
    if (unit === "percent" && choice.shape === "heat") spec.top = 100;
    this.chart = new CompareChart(spec, unit, this.page, (series) => this.meant(series));
    this.drawnKeys = "";
    this.place.replaceChildren(this.chart.element);
    return this.chart;
  }

  /**
   * @param {Standing[]} read those that read something, in order
   * @param {CompareChoice} choice
   */
  rank(read, choice) {
    this.keys = read.slice(0, choice.shape === "heat" ? MOST_ROWS : choice.top).map((one) => one.key);
    this.rankedAt = Date.now();
  }

  /**
   * The standings of what is drawn, in the order that was last found.
   * @param {Standing[]} read
   * @param {Standing[]} ranked
   */
  followKeys(read, ranked) {
    if (!this.keys.length && read.length) this.rankedAt = -Infinity;
    const byKey = new Map(ranked.map((one) => [one.key, one]));
    return this.keys.flatMap((key) => byKey.get(key) ?? []);
  }

  /**
   * @param {CompareChart} chart
   * @param {Standing[]} drawn
   * @param {boolean} several whether they are of more than one machine
   */
  followSeries(chart, drawn, several) {
    const heat = chart.spec.form === "heat";
    const keys = drawn.map((one) => one.key);
    const numbers = this.colours.give(keys);
    // Lines need no new chart when only their places change.
    const wanted = JSON.stringify([several, heat ? keys : keys.toSorted()]);
    if (wanted === this.drawnKeys) return;
    this.drawnKeys = wanted;
    if (heat) this.setHeight(chart, keys.length);
    chart.setSeries(
      drawn.map(({ key, machine, instance }) => ({
        key,
        label: !instance ? machine : several ? `${machine} ${instance}` : instance,
        colour: numbers.get(key) ?? 0,
        down: false,
        stacked: false,
      })),
    );
    for (const key of this.hidden) chart.toggle(this.numberOf(key), false);
  }

  /**
   * @param {CompareChart} chart
   * @param {number} rows
   */
  setHeight(chart, rows) {
    const [least, most] = HEAT_HEIGHT;
    chart.canvasBox.style.height = `${Math.min(most, Math.max(least, rows * ROW_HEIGHT + HEAT_FRAME))}px`;
  }

  /** Those of what is drawn. */
  machines() {
    return new Set(this.keys.filter((key) => !this.hidden.has(key)).map((key) => keyParts(key)[0]));
  }

  /** @param {string} key */
  numberOf(key) {
    return this.chart?.series.findIndex((one) => one.key === key) ?? -1;
  }

  mark() {
    this.list.mark((key) => this.colours.numbers.get(key) ?? 0, this.hidden);
  }

  /** @param {string} key */
  toggle(key) {
    const shown = this.hidden.has(key);
    if (shown) this.hidden.delete(key);
    else this.hidden.add(key);
    this.chart?.toggle(this.numberOf(key), shown);
    this.mark();
  }

  /** The list points at a series. @param {string | null} key */
  bringOut(key) {
    const number = key === null ? -1 : this.numberOf(key);
    this.chart?.bringOut(number < 0 ? null : number);
  }

  /** The cursor means a series. @param {number | null} series */
  meant(series) {
    this.list.bringOut(series === null ? null : (this.chart?.series[series]?.key ?? null));
  }

  /**
   * What colours of the heat map mean.
   * @param {CompareChart} chart
   * @param {CompareChoice} choice
   * @param {string} unit
   */
  tellScale(chart, choice, unit) {
    show(byId("compare-scale"), choice.shape === "heat");
    if (choice.shape !== "heat") return;
    const [low, high] = chart.scale();
    setText(byId("compare-scale-low"), low ? format(low, unit) : "0");
    setText(byId("compare-scale-top"), format(high, unit));
  }

  recolour() {
    this.chart?.rebuild();
    this.mark();
  }

  /** Nothing is compared: say so where the chart was. */
  clear() {
    this.keys = [];
    this.known = 0;
    this.list.begin(this.list.hides);
  }

  destroy() {
    this.stopPalette();
    this.stopUnits();
    this.chart?.destroy();
    this.place.replaceChildren();
    this.list.begin(true);
  }
}
