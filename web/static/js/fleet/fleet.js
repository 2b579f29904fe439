// @ts-check
/** The list of machines: keyed rows, of which only those in view are drawn. */

import { byId, setAttribute, setText, show } from "../page/dom.js";
import { FleetRow } from "./fleet_row.js";
import { presentOf } from "../live/machine_clock.js";
import { Page } from "../page/page.js";
import { onPaletteChange } from "../page/palette.js";
import { fillTraces } from "../live/traces.js";
import { counted } from "../page/units.js";

/** @typedef {import("../live/store.js").Change} Change */

/** How long a question for history is waited for, or not repeated after it failed. */
const FILL_AGAIN_MS = 15_000;

const byName = new Intl.Collator(undefined, { numeric: true });

export class FleetPage extends Page {
  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor({ store, alerts, events, thresholds }, view) {
    super();
    this.store = store;
    this.alerts = alerts;
    this.events = events;
    this.thresholds = thresholds;
    this.choice = view.fleet;
    this.list = byId("fleet-rows");
    /** @type {Map<string, FleetRow>} */
    this.rows = new Map();
    /** @type {Map<Element, FleetRow>} */
    this.rowOf = new Map();
    this.leaving = new AbortController();
    this.sight = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "200px" });
    this.stopPalette = onPaletteChange(() => this.redrawTraces());
    this.arrange();
    this.askForEvents();
  }

  /** @override */
  askForEvents() {
    void this.events.load(null, [0, 0]);
  }

  /**
   * @override
   * @param {Change} change
   */
  change(change) {
    if (change.membership) this.arrange();
    for (const name of change.machines) this.updateRow(name);
    if (change.machines.size || change.link) this.summarize();
  }

  /** Any row may be marked, or no longer. @override */
  alertsChanged() {
    for (const name of this.rows.keys()) this.updateRow(name);
  }

  /** @override */
  thresholdsChanged() {
    for (const name of this.rows.keys()) this.updateRow(name);
  }

  /** @param {string} name */
  updateRow(name) {
    const row = this.rows.get(name);
    row?.update(this.store.now(), this.alerts.worst(name));
    if (row) this.prefill(row);
  }

  /** @override */
  tick() {
    const now = this.store.now();
    for (const row of this.rows.values()) row.tick(now);
  }

  /** Machines came or went: rows that stay are kept as they are. */
  arrange() {
    for (const [name, row] of this.rows) {
      if (this.store.machines.get(name) === row.machine) continue;
      this.sight.unobserve(row.element);
      this.rowOf.delete(row.element);
      this.rows.delete(name);
    }
    for (const [name, machine] of this.store.machines) {
      if (this.rows.has(name)) continue;
      const row = new FleetRow(machine, this.thresholds);
      this.rows.set(name, row);
      this.rowOf.set(row.element, row);
      this.sight.observe(row.element);
      row.update(this.store.now(), this.alerts.worst(name));
    }
    const ordered = [...this.rows.values()].sort((a, b) => byName.compare(a.machine.name, b.machine.name));
    this.place(ordered.map((row) => row.element));
    this.summarize();
  }

  /** @param {Element[]} elements in order; only what is out of place is moved, so that focus stays */
  place(elements) {
    const present = new Set(elements);
    for (const old of [...this.list.children]) if (!present.has(old)) old.remove();
    elements.forEach((element, at) => {
      const there = this.list.children[at];
      if (there !== element) this.list.insertBefore(element, there ?? null);
    });
  }

  summarize() {
    const machines = [...this.store.machines.values()];
    const silent = machines.filter((machine) => machine.state === "silent").length;
    const waiting = machines.filter((machine) => machine.state === "waiting").length;
    const parts = [`${machines.length - silent - waiting} up`];
    if (silent) parts.push(`${silent} silent`);
    if (waiting) parts.push(`${waiting} waiting`);
    const known = this.store.loaded;
    const summary = `${counted(machines.length, "machine")}: ${parts.join(", ")}`;
    setText(byId("fleet-summary"), machines.length ? summary : "");
    show(byId("fleet-loading"), !known);
    show(byId("fleet-empty"), known && machines.length === 0);
    show(byId("fleet-table"), machines.length > 0);
    setAttribute(byId("fleet-table"), "aria-rowcount", String(machines.length + 1));
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    for (const entry of entries) {
      const row = this.rowOf.get(entry.target);
      if (!row) continue;
      row.visible = entry.isIntersecting;
      if (row.visible && row.dirty) row.draw(this.store.now());
      this.prefill(row);
    }
  }

  /**
   * Fill the traces of a row in view from history: once, and again when something was missed or its clock was set back.
   * @param {FleetRow} row
   */
  prefill(row) {
    const { machine } = row;
    const wanted = `${this.store.generation} ${machine.restarts}`;
    if (!row.visible || row.filledFor === wanted || Date.now() < row.fillAfter) return;
    if (machine.time === null || machine.state !== "up") return;
    row.fillAfter = Date.now() + FILL_AGAIN_MS;
    void fillTraces(machine, presentOf(machine, this.store.now()), this.leaving.signal).then((filled) => {
      if (filled) row.filledFor = wanted;
      if (row.visible) row.drawTraces();
    });
  }

  redrawTraces() {
    for (const row of this.rows.values()) if (row.visible) row.drawTraces();
  }

  /** @override */
  destroy() {
    this.leaving.abort();
    this.sight.disconnect();
    this.stopPalette();
    this.list.replaceChildren();
  }
}
