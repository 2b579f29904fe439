// @ts-check
/** The page that compares one metric of many machines: on one chart, as lines or as a heat map, with a list of what is drawn. */

import { byId, element, setText, show } from "../page/dom.js";
import { Page } from "../page/page.js";
import { Range, sameTime } from "../time/range.js";
import { clockOff } from "../live/machine_clock.js";
import { catalogue, isMetricName, refreshCatalogue } from "../live/catalogue.js";
import { isCrowded } from "../chart/drawn.js";
import { chosenMachines, instancesOf, strangers } from "./chosen.js";
import { Comparison } from "./comparison.js";
import { Controls } from "./controls.js";
import { Drawing } from "./drawing.js";
import { MachinePicker } from "./machine_picker.js";
import { MetricPicker } from "./metric_picker.js";
import { missingIn } from "./missing.js";
import { sentences } from "./sentences.js";
import { SystemEvents } from "./system_events.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

/** Of so few machines each sample is drawn when it comes; of more once a second. */
const FEW_MACHINES = 20;
/** While many are loaded they are drawn so often, in milliseconds. */
const DRAWN_MS = 800;
/** A fleet that is joined by many at once is asked about once, in milliseconds. */
const JOINED_MS = 3000;

export class ComparePage extends Page {
  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor({ store }, view) {
    super();
    this.leaving = new AbortController();
    this.store = store;
    this.choice = view.compare;
    this.range = new Range(() => store.now(), view.time);
    this.metrics = new MetricPicker(view.compare);
    this.picker = new MachinePicker(store.machines, view.compare);
    this.controls = new Controls();
    this.events = new SystemEvents(() => this.drawing.redraw());
    this.drawing = new Drawing(store, this.range, (from, to, machines) => this.events.within(from, to, machines));
    this.comparison = this.makeComparison();
    /** The names that are compared. */
    this.compared = "";
    this.drawn = -1;
    this.drawnAt = 0;
    this.generation = store.generation;
    this.joinTimer = 0;
    this.stopFrames = store.onFrame((frame) => this.comparison.take(frame));
    this.askForEvents();
    this.follow();
    void refreshCatalogue(this.leaving.signal, () => this.tellChoice());
  }

  /** Those of the time that is shown are marked in it. @override */
  askForEvents() {
    const [from, to] = this.range.span();
    void this.events.load(from, this.range.live ? Infinity : to);
  }

  makeComparison() {
    const { metric, instance } = this.choice;
    this.title = `${metric} · Compare`;
    this.subscription = { machines: null, metrics: isMetricName(metric) ? [metric] : [] };
    return new Comparison(this.store, this.range, metric, instance, () => this.drawSoon());
  }

  /**
   * @override
   * @param {import("../page/page.js").View} view
   */
  show(view) {
    if (view.page !== "compare") return false;
    const before = this.range.choice;
    const { metric, instance } = this.choice;
    this.choice = view.compare;
    this.range.choose(view.time);
    if (metric !== view.compare.metric || instance !== view.compare.instance) {
      this.comparison.destroy();
      this.comparison = this.makeComparison();
      this.compared = "";
    } else if (!sameTime(before, view.time)) this.comparison.reload();
    if (!sameTime(before, view.time)) this.askForEvents();
    if (before.utc !== view.time.utc) this.drawing.chart?.rebuild();
    this.follow();
    return true;
  }

  /** Compare what is chosen, as far as it is known. */
  follow() {
    clearTimeout(this.joinTimer);
    const machines = this.chosen();
    const wanted = JSON.stringify(machines.map((one) => one.name));
    if (this.speaks && wanted !== this.compared) {
      this.compared = wanted;
      this.comparison.choose(machines);
    }
    this.tellChoice();
    this.draw(true);
  }

  chosen() {
    return chosenMachines(this.store.machines, this.choice);
  }

  /** Whether layouts tell of this metric: right after another choice they may still be those of the last one. */
  get speaks() {
    const { loaded, metrics, link } = this.store;
    const { metric } = this.choice;
    if (metrics === null || metrics.includes(metric) || !isMetricName(metric)) return loaded;
    return loaded && link.state !== "open";
  }

  /** What is chosen, in the bar above the chart. */
  tellChoice() {
    const machines = this.chosen();
    const known = catalogue().get(this.choice.metric);
    this.metrics.show(this.choice);
    this.picker.show(this.choice, machines.length);
    this.controls.show(this.choice, instancesOf(machines, this.choice.metric), known?.instance_label ?? "");
    setText(byId("compare-help"), known?.help ?? "");
  }

  /** Of the metric, as whoever knows it says. */
  unit() {
    return this.comparison.unit || catalogue().get(this.choice.metric)?.unit || "count";
  }

  /** More is known: draw it, but not for each of many answers. */
  drawSoon() {
    const { progress, machines } = this.comparison;
    const last = progress.state !== "loading" || machines.length <= FEW_MACHINES;
    if (!last && Date.now() - this.drawnAt < DRAWN_MS) return;
    this.draw(true);
  }

  /** @param {boolean} anew whether places in the list may change at once */
  draw(anew) {
    const { comparison, drawing } = this;
    this.drawn = comparison.version;
    this.drawnAt = Date.now();
    comparison.timeline.trim(this.range.span()[0]);
    const unknown = comparison.progress.state === "unknown" && comparison.timeline.columns.size === 0;
    show(byId("compare-body"), !unknown);
    show(byId("compare-unknown"), unknown);
    setText(byId("compare-unknown-name"), this.choice.metric);
    if (unknown) return drawing.clear();
    drawing.draw(comparison, this.choice, this.unit(), anew);
    this.tellState();
    this.tellNotes();
  }

  /** What the chart says in place of what it does not show. */
  tellState() {
    const { state, message } = this.comparison.progress;
    const chart = this.drawing.chart;
    const nothing = this.drawing.known === 0;
    if (state === "away" || state === "refused") chart?.say("away", message);
    else if (!this.store.complete || ((state === "waiting" || state === "loading") && (nothing || this.comparison.slow))) chart?.say("loading", "Loading…");
    else if (nothing) chart?.say("empty", this.whyEmpty());
    else chart?.say("filled", "");
  }

  whyEmpty() {
    if (!this.store.machines.size) return "No machine has reported yet.";
    const { machines, tags } = this.choice;
    if (this.comparison.machines.length) return "Nothing was recorded in this time.";
    if (machines.length) return "No machine that is chosen is known.";
    return tags.length > 1 ? "No machine has all of these tags." : "No machine has this tag.";
  }

  tellNotes() {
    const { comparison, drawing } = this;
    const { asked, questions, state } = comparison.progress;
    const present = new Set([...comparison.timeline.columns.keys()].map((key) => key.split(" ", 1)[0]));
    const done = state === "filled";
    const clocks = comparison.machines.filter((one) => clockOff(one) !== 0);
    const without = comparison.machines.filter((one) => !present.has(one.name) && !clocks.includes(one));
    const said = sentences({
      shape: this.choice.shape,
      step: comparison.timeline.step,
      eventsCut: this.events.cut,
      missing: missingIn(comparison.timeline, ...this.range.span()),
      crest: isCrowded(drawing.chart?.roles ?? []),
      series: drawing.known,
      drawn: Math.min(drawing.known, drawing.keys.length),
      leftOut: comparison.leftOut,
      without: done && drawing.known ? without.map((one) => one.name) : [],
      clocks,
      strangers: this.store.complete ? strangers(this.store.machines, this.choice) : [],
      otherUnits: comparison.otherUnits,
      asked: state === "loading" ? asked : questions,
      questions,
    });
    const notes = byId("compare-notes");
    const text = said.join("\n");
    if (notes.dataset.said === text) return;
    notes.dataset.said = text;
    notes.replaceChildren(...said.map((one) => element("li", {}, one)));
  }

  /**
   * @override
   * @param {import("../live/store.js").Change} change
   */
  change(change) {
    this.events.add(change.events);
    if (this.store.generation !== this.generation) {
      this.generation = this.store.generation;
      if (this.compared) this.comparison.reload();
    }
    if (change.membership || !this.compared) this.joined();
    if (change.machines.size && this.comparison.machines.length <= FEW_MACHINES) this.drawNew();
  }

  /** Machines came or went. */
  joined() {
    if (!this.compared) return this.follow();
    clearTimeout(this.joinTimer);
    this.joinTimer = setTimeout(() => this.follow(), JOINED_MS);
  }

  drawNew() {
    if (this.drawn !== this.comparison.version) this.draw(false);
  }

  /** Time goes on also when nothing comes. @override */
  tick() {
    if (this.range.live || this.drawn !== this.comparison.version) this.draw(false);
  }

  /** @override */
  destroy() {
    this.leaving.abort();
    clearTimeout(this.joinTimer);
    this.stopFrames();
    this.events.stop();
    this.comparison.destroy();
    this.drawing.destroy();
    this.metrics.destroy();
    this.picker.destroy();
    this.controls.destroy();
  }
}
