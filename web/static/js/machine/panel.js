// @ts-check
/** One chart of one machine: asks for its history when it comes into view, then follows what comes live. */

import { Chart } from "../chart/chart.js";
import { chartSeries } from "./chart_series.js";
import { clockOff } from "../live/machine_clock.js";
import { compareLink } from "../compare/compare_link.js";
import { fetchHistory } from "../chart/history.js";
import { Loading } from "../chart/loading.js";
import { onPaletteChange } from "../page/palette.js";
import { drawInTurn, dropTurn } from "../chart/turns.js";
import { Timeline, keyOf } from "../chart/timeline.js";
import { onUnitsChange } from "../page/preferences.js";

/** @typedef {import("../live/store.js").Store} Store */
/** @typedef {import("../live/layout.js").Layout} Layout */
/** @typedef {import("./charts.js").ChartSpec} ChartSpec */
/** @typedef {import("../live/contract.js").Frame} Frame */

/** More buckets than pixels only smear; fewer than this show nothing. */
const FEWEST_POINTS = 150;
const MOST_POINTS = 600;
/** Of a chart, over all of its lines: of many lines nobody can see as much of each. */
const MOST_READINGS = 24_000;

export class Panel {
  /**
   * @param {Store} store
   * @param {string} machine
   * @param {ChartSpec} spec
   * @param {import("../chart/chart.js").ChartPage} page
   */
  constructor(store, machine, spec, page) {
    this.store = store;
    this.machine = machine;
    this.spec = spec;
    this.range = page.range;
    this.visible = false;
    this.dirty = true;
    /** Whether uPlot draws in colours, units or a zone of before. */
    this.outdated = false;
    /** Whether history has been asked for since the range or the link changed. */
    this.asked = false;
    this.keys = "";
    this.timeline = new Timeline(this.interval());
    const { unit = "count", instance_label: noun = "" } = this.firstSeries() ?? {};
    this.chart = new Chart(spec, unit, noun, page);
    this.chart.element.querySelector("h3")?.after(compareLink(spec.metrics[0][0], spec.title));
    this.loading = new Loading(
      this.chart,
      (signal) => this.ask(signal),
      (timeline) => this.loaded(timeline),
    );
    this.stops = [onPaletteChange(() => this.rebuild()), onUnitsChange(() => this.rebuild())];
    for (const frame of store.frames) this.take(frame);
  }

  get element() {
    return this.chart.element;
  }

  interval() {
    return this.store.machines.get(this.machine)?.interval ?? 5;
  }

  firstSeries() {
    const layout = this.store.machines.get(this.machine)?.layout;
    const position = layout?.positions.get(this.spec.metrics[0][0])?.[0];
    return position === undefined ? undefined : layout?.series[position];
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    this.visible = visible;
    if (visible && !this.asked) this.load();
    if (visible) this.draw();
  }

  /** What is shown may have holes, or another range is wanted: ask history again. */
  reload() {
    this.loading.stop();
    this.timeline.interrupt();
    this.asked = false;
    if (this.visible) this.load();
  }

  /** The machine's clock was set back: what is shown lies in its future. */
  restart() {
    this.timeline = new Timeline(this.interval());
    this.reload();
  }

  load() {
    this.asked = true;
    void this.loading.start();
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const [from, to] = this.range.span();
    const points = this.points();
    /** @param {string} metric */
    const ask = (metric) => fetchHistory(this.machine, metric, from, to, signal, points);
    const histories = await Promise.all(this.spec.metrics.map(([metric]) => ask(metric)));
    const timeline = new Timeline(this.interval());
    timeline.load(histories, this.range.follows ? this.rows() : []);
    if (this.range.follows) timeline.follow();
    this.chart.lost = histories[0].gaps;
    const machine = this.store.machines.get(this.machine);
    // The hub's clock says when it was first heard of, and charts follow the machine's own.
    this.chart.since = machine && clockOff(machine) === 0 ? histories[0].first_seen : null;
    return timeline;
  }

  /** @param {Timeline | null} timeline */
  loaded(timeline) {
    this.timeline = timeline ?? this.timeline;
    this.dirty = true;
    this.draw();
  }

  points() {
    const layout = this.store.machines.get(this.machine)?.layout;
    const lines = this.spec.metrics.reduce((sum, [metric]) => sum + (layout?.positions.get(metric)?.length ?? 0), 0);
    const width = this.chart.width || this.chart.size().width;
    return Math.max(FEWEST_POINTS, Math.min(MOST_POINTS, Math.floor(MOST_READINGS / Math.max(1, lines)), width));
  }

  /** The frames that the store has kept, as rows of this chart. */
  rows() {
    return this.store.frames.map((frame) => this.row(frame));
  }

  /** @param {Frame} frame */
  row(frame) {
    const layout = this.store.layouts.get(frame.layout);
    /** @type {[string, number | null][]} */
    const values = [];
    for (const [metric] of this.spec.metrics) {
      for (const position of layout?.positions.get(metric) ?? []) {
        values.push([keyOf(metric, layout?.series[position].instance ?? ""), frame.values[position]]);
      }
    }
    return { time: frame.time, values };
  }

  /** @param {Frame} frame */
  take(frame) {
    // What is shown of the past stays as it was asked for.
    if (!this.range.follows) return;
    this.timeline.add(this.row(frame));
    this.timeline.trim(this.range.span()[0]);
    this.dirty = true;
    if (this.chart.state === "empty") this.chart.say("filled", "");
  }

  /** Draw soon, if it can be seen. */
  draw() {
    if (this.visible) drawInTurn(this);
  }

  /** Colours, units or the zone are others. */
  rebuild() {
    this.outdated = true;
    this.draw();
  }

  drawNow() {
    if (!this.visible) return;
    this.followSeries();
    if (this.outdated) this.chart.rebuild();
    this.outdated = false;
    this.chart.draw(this.timeline);
    this.dirty = false;
  }

  /** A mount, a disk or an interface can come and go. */
  followSeries() {
    const layout = this.store.machines.get(this.machine)?.layout ?? null;
    const series = chartSeries(this.spec, layout, this.timeline);
    const keys = series.map((one) => one.key).join("\n");
    if (keys === this.keys) return;
    this.keys = keys;
    this.chart.timeline = this.timeline;
    this.chart.setSeries(series);
  }

  destroy() {
    dropTurn(this);
    this.loading.stop();
    for (const stop of this.stops) stop();
    this.chart.destroy();
  }
}
