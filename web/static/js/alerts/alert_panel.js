// @ts-check
/** The chart of one alert with its numbers: asks for the history of the one series, then follows what comes live. */

import { Loading } from "../chart/loading.js";
import { Timeline, keyOf } from "../chart/timeline.js";
import { fetchFleetHistory } from "../chart/fleet_history.js";
import { presentOf } from "../live/machine_clock.js";
import { onPaletteChange } from "../page/palette.js";
import { Range } from "../time/range.js";
import { Steering } from "../time/steering.js";
import { AlertChart } from "./alert_chart.js";

/** @typedef {import("../live/contract.js").Alert} Alert */
/** @typedef {import("../live/contract.js").Frame} Frame */
/** @typedef {import("../chart/timeline.js").Row} Row */

const MOST_ROWS = 2000;
/** As many as the charts of machines have. */
const FEWEST_POINTS = 150;
const MOST_POINTS = 600;

export class AlertPanel {
  /**
   * @param {import("../live/store.js").Store} store
   * @param {Alert} alert
   * @param {string} unit of the metric
   * @param {import("../time/time_choice.js").TimeChoice} time
   */
  constructor(store, alert, unit, time) {
    this.store = store;
    this.alert = alert;
    this.key = keyOf(alert.metric, alert.instance);
    this.range = new Range(() => presentOf(store.machines.get(alert.machine), store.now()), time);
    const steering = new Steering(this.range, () => this.draw());
    this.chart = new AlertChart(alert, unit, { range: this.range, steering, events: () => [] });
    this.chart.setSeries([{ key: this.key, label: alert.instance || alert.metric, colour: 0, down: false, stacked: false }]);
    this.timeline = new Timeline(this.interval());
    /** What came live since history was asked for. @type {Row[]} */
    this.rows = [];
    this.dirty = true;
    this.loading = new Loading(
      this.chart,
      (signal) => this.ask(signal),
      (timeline) => this.loaded(timeline),
    );
    this.stopPalette = onPaletteChange(() => this.chart.rebuild());
  }

  interval() {
    return this.store.machines.get(this.alert.machine)?.interval ?? 5;
  }

  /** Another time is looked at. @param {import("../time/time_choice.js").TimeChoice} time */
  choose(time) {
    this.range.choose(time);
    this.load();
  }

  /** The chart has its place, or what it shows may have holes. */
  load() {
    this.timeline.interrupt();
    void this.loading.start();
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const { metric, instance, machine } = this.alert;
    const [from, to] = this.range.span();
    const points = Math.max(FEWEST_POINTS, Math.min(MOST_POINTS, this.chart.size().width));
    const history = await fetchFleetHistory({ metric, machines: [machine], instance, from, to, points }, signal);
    const timeline = new Timeline(this.interval());
    const own = history.series.filter((one) => one.instance === instance);
    timeline.load([{ ...history, series: own }], this.range.follows ? this.rows : []);
    if (this.range.follows) timeline.follow();
    this.chart.lost = history.gaps;
    return timeline;
  }

  /** @param {Timeline | null} timeline */
  loaded(timeline) {
    this.timeline = timeline ?? this.timeline;
    this.dirty = true;
    this.draw();
  }

  /** @param {Frame} frame of the alert's machine */
  take(frame) {
    const layout = this.store.layouts.get(frame.layout);
    const position = layout?.positions.get(this.alert.metric)?.find((at) => layout.series[at].instance === this.alert.instance);
    if (position === undefined) return;
    const row = { time: frame.time, values: /** @type {Row["values"]} */ ([[this.key, frame.values[position]]]) };
    this.rows.push(row);
    if (this.rows.length > MOST_ROWS) this.rows.splice(0, MOST_ROWS / 4);
    // Also while someone drags: it may be live again when nobody does.
    if (!this.range.follows) return;
    this.timeline.add(row);
    this.timeline.trim(this.range.span()[0]);
    this.dirty = true;
    if (this.chart.state === "empty") this.chart.say("filled", "");
  }

  draw() {
    this.chart.draw(this.timeline);
    this.dirty = false;
  }

  destroy() {
    this.loading.stop();
    this.stopPalette();
    this.chart.destroy();
  }
}
