// @ts-check
/** The page of one machine: its facts, its figures, and its charts, family by family. */

import { familiesOf, pointlessCharts } from "./charts.js";
import { byId, element, setAttribute, setText, show } from "../page/dom.js";
import { drawFacts } from "./facts.js";
import { clockText, eventsWithin, presentOf } from "../live/machine_clock.js";
import { Panel } from "./panel.js";
import { ProbeHealth } from "./probes.js";
import { Range, sameTime } from "../time/range.js";
import { Steering } from "../time/steering.js";
import { Page } from "../page/page.js";
import { place } from "../page/place.js";
import { onUnitsChange } from "../page/preferences.js";
import { isInUtc } from "../time/moments.js";
import { StateBadge, lastWordsText } from "../page/state_badge.js";
import { Summary } from "./summary.js";
import { Tags } from "../page/tags.js";

/** @typedef {import("../live/store.js").Change} Change */

export class MachinePage extends Page {
  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor({ store, events, thresholds }, view) {
    super();
    this.store = store;
    this.events = events;
    this.name = view.machine;
    this.title = this.name;
    this.watched = this.name;
    this.subscription = { machines: [this.name], metrics: null };
    this.range = new Range(() => presentOf(store.machines.get(this.name), store.now()), view.time);
    /** @type {import("../chart/chart.js").ChartPage} */
    this.chartPage = {
      range: this.range,
      steering: new Steering(this.range, () => this.drawCharts(true)),
      events: (from, to) => events.happened.within(from, to, store.machines.get(this.name)),
    };
    this.badge = new StateBadge();
    this.tags = new Tags(byId("machine-tags"), Infinity);
    this.tags.update([]);
    this.summary = new Summary(byId("machine-figures"), thresholds);
    byId("probe-list").replaceChildren();
    this.probes = new ProbeHealth(byId("probe-list"));
    /** @type {Map<string, Panel>} */
    this.panels = new Map();
    /** Of what layout, with which charts left out. */
    this.arranged = "";
    this.restarts = store.machines.get(this.name)?.restarts ?? 0;
    this.factsShown = "";
    this.generation = store.generation;
    show(byId("machine-clock"), false);
    this.sight = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    this.stopUnits = onUnitsChange(() => this.update());
    this.stopFrames = store.onFrame((frame) => this.take(frame));
    byId("machine-name").textContent = this.name;
    byId("machine-state").replaceChildren(this.badge.element);
    byId("charts").replaceChildren();
    this.update();
    this.askForEvents();
  }

  /** Those of the time that the charts show are marked on them. @override */
  askForEvents() {
    const machine = this.store.machines.get(this.name);
    const [from, to] = this.range.span();
    void this.events.load(this.name, eventsWithin(machine, [from, this.range.live ? Infinity : to]));
  }

  /**
   * @override
   * @param {import("../page/page.js").View} view
   */
  show(view) {
    if (view.page !== "machine" || view.machine !== this.name) return false;
    const before = this.range.choice;
    this.range.choose(view.time);
    if (before.utc !== view.time.utc) {
      for (const panel of this.panels.values()) panel.rebuild();
      this.update();
    }
    if (!sameTime(before, view.time)) {
      for (const panel of this.panels.values()) panel.reload();
      this.askForEvents();
    }
    this.drawCharts(true);
    return true;
  }

  /** @param {import("../live/contract.js").Frame} frame */
  take(frame) {
    if (frame.machine !== this.name) return;
    const restarts = this.store.machines.get(this.name)?.restarts ?? 0;
    if (restarts !== this.restarts) {
      for (const panel of this.panels.values()) panel.restart();
      this.askForEvents();
    }
    this.restarts = restarts;
    for (const panel of this.panels.values()) panel.take(frame);
  }

  /**
   * @override
   * @param {Change} change
   */
  change(change) {
    if (this.store.generation !== this.generation) {
      this.generation = this.store.generation;
      for (const panel of this.panels.values()) panel.reload();
    }
    if (change.machines.has(this.name) || change.membership) this.update();
  }

  update() {
    const machine = this.store.machines.get(this.name);
    show(byId("machine-unknown"), this.store.complete && !machine);
    show(byId("machine-body"), Boolean(machine));
    if (!machine) return;
    this.drawState(machine);
    this.tags.update(machine.tags);
    setText(byId("machine-clock"), clockText(machine));
    show(byId("machine-clock"), clockText(machine) !== "");
    this.summary.update(machine);
    this.probes.update(machine);
    const facts = JSON.stringify([machine.facts, machine.agentVersion, machine.interval, isInUtc()]);
    if (facts !== this.factsShown) drawFacts(byId("machine-facts"), machine);
    this.factsShown = facts;
    // Right after another page the layout may still be that of the few metrics that it needed.
    if (machine.layout && this.store.metrics === null) this.arrange(machine.layout, pointlessCharts(machine));
    show(byId("machine-waiting"), !machine.layout);
    this.drawCharts(false);
  }

  /** Whether its figures are of now, and if not, how old they are. @param {import("../live/machine_state.js").Machine} machine */
  drawState(machine) {
    const now = this.store.now();
    this.badge.update(machine, now);
    setAttribute(byId("machine-figures"), "data-state", machine.state);
    const old = lastWordsText(machine, now);
    setText(byId("machine-last-words"), old);
    show(byId("machine-last-words"), old !== "");
  }

  /**
   * The charts of a layout; those that were there already are kept.
   * @param {import("../live/layout.js").Layout} layout
   * @param {string[]} without ids of charts
   */
  arrange(layout, without) {
    const arranged = [layout.id, ...without].join(" ");
    if (arranged === this.arranged) return;
    this.arranged = arranged;
    const families = familiesOf(layout, without);
    const wanted = new Set(families.flatMap((family) => family.charts.map((chart) => JSON.stringify(chart))));
    for (const [key, panel] of this.panels) {
      if (wanted.has(key)) continue;
      this.sight.unobserve(panel.element);
      panel.destroy();
      this.panels.delete(key);
    }
    const sections = families.map((family) => {
      const section = this.sectionOf(family);
      const [title] = section.children;
      place(section, [title, ...family.charts.map((chart) => this.panelFor(chart).element)]);
      return section;
    });
    place(byId("charts"), sections);
    show(byId("probe-health"), layout.positions.has("probe.success"));
  }

  /** @param {import("./charts.js").Family} family */
  sectionOf({ id, title }) {
    const known = byId("charts").querySelector(`[data-family="${CSS.escape(id)}"]`);
    if (known) return known;
    const heading = element("h2", { class: "only-read" }, title);
    return element("section", { class: "family", "data-family": id, "aria-label": title }, heading);
  }

  /** @param {import("./charts.js").ChartSpec} spec */
  panelFor(spec) {
    const key = JSON.stringify(spec);
    const known = this.panels.get(key);
    if (known) return known;
    const panel = new Panel(this.store, this.name, spec, this.chartPage);
    this.panels.set(key, panel);
    this.sight.observe(panel.element);
    return panel;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    const panels = new Map([...this.panels.values()].map((panel) => [panel.element, panel]));
    for (const entry of entries) {
      panels.get(/** @type {HTMLElement} */ (entry.target))?.setVisible(entry.isIntersecting);
    }
  }

  /** @param {boolean} all or only those with something new */
  drawCharts(all) {
    for (const panel of this.panels.values()) if (all || panel.dirty) panel.draw();
  }

  /** @override */
  eventsChanged() {
    this.drawCharts(true);
  }

  /** @override */
  thresholdsChanged() {
    this.update();
  }

  /** Time goes on also when nothing comes. @override */
  tick() {
    const machine = this.store.machines.get(this.name);
    if (!machine) return;
    this.drawState(machine);
    if (machine.state !== "up" || this.store.stale) this.drawCharts(true);
  }

  /** @override */
  destroy() {
    this.stopFrames();
    this.stopUnits();
    this.sight.disconnect();
    for (const panel of this.panels.values()) panel.destroy();
    byId("charts").replaceChildren();
    setText(byId("machine-name"), "");
  }
}
