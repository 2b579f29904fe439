// @ts-check
/** The page of all machines: which of them, in which order, as the address says; live. */

import { byId, setAttribute, show } from "../page/dom.js";
import { go, here } from "../page/here.js";
import { Page } from "../page/page.js";
import { onUnitsChange } from "../page/preferences.js";
import { FleetBar } from "./fleet_bar.js";
import { census, chosen } from "./fleet_filter.js";
import { groupsOf } from "./fleet_groups.js";
import { FleetHead } from "./fleet_head.js";
import { FleetKeys } from "./fleet_keys.js";
import { FleetList } from "./fleet_list.js";
import { keptOrder, ordered } from "./fleet_order.js";
import { Hold } from "./hold.js";
import { alertsByMachine } from "./machine_alerts.js";
import { Prefill } from "./prefill.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("../live/store.js").Change} Change */
/** @typedef {import("./fleet_choice.js").FleetChoice} FleetChoice */

/** What the list shows and sorts by; nothing else is sent. */
const METRICS = [
  "cpu.percent",
  "memory.percent",
  "filesystem.percent",
  "network.received",
  "network.sent",
  "system.load1",
  "system.uptime",
];
/** Rows are put in order again this often at most: numbers change all the time, and eyes must be able to follow. */
const ARRANGE_MS = 4000;
/** Here rows do not fit, so there are tiles. */
const NARROW = matchMedia("(max-width: 1239px)");

export class FleetPage extends Page {
  /** @override */
  subscription = { machines: null, metrics: METRICS };

  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor({ store, alerts, events, thresholds }, view) {
    super();
    this.store = store;
    this.alerts = alerts;
    this.events = events;
    this.choice = view.fleet;
    this.alertsOf = alertsByMachine(alerts.firing);
    /** In the order in which they stand. @type {Machine[]} */
    this.shown = [];
    this.arrangedAt = -Infinity;
    this.counted = "";
    const choose = (/** @type {Partial<FleetChoice>} */ change) => this.choose(change);
    this.bar = new FleetBar(this.choice, choose);
    this.head = new FleetHead(byId("fleet-head"), choose);
    this.list = new FleetList(thresholds, () => this.viewed());
    this.hold = new Hold(this.list.element);
    this.keys = new FleetKeys(this.list, this.bar.search);
    this.prefill = new Prefill(
      store,
      () => this.list.machinesInView(),
      (machines) => this.redraw(machines),
    );
    this.stopUnits = onUnitsChange(() => this.redraw(this.list.machinesInView()));
    this.leaving = new AbortController();
    NARROW.addEventListener("change", () => this.shape(), { signal: this.leaving.signal });
    this.arrange(true);
    this.askForEvents();
  }

  /** @override */
  askForEvents() {
    void this.events.load(null, [0, 0]);
  }

  /** @param {Partial<FleetChoice>} change */
  choose(change) {
    // "Back" leads to where one came from, not through all that was typed.
    go({ fleet: { ...here().fleet, ...change } }, { replace: true });
  }

  /**
   * @override
   * @param {import("../page/page.js").View} view
   */
  show(view) {
    if (view.page !== "fleet") return false;
    this.choice = view.fleet;
    this.bar.take(view.fleet);
    this.arrange(true);
    return true;
  }

  /**
   * @override
   * @param {Change} change
   */
  change(change) {
    for (const name of change.machines) this.list.touch(name);
    // The first machines at once; of many that come one by one some at a time.
    if (change.membership && (!this.shown.length || this.since() > 1000)) this.arrange(false);
    else if (change.membership) this.counted = "";
    this.draw();
    this.prefill.soon();
  }

  /** Any row may be marked, or no longer. @override */
  alertsChanged() {
    this.alertsOf = alertsByMachine(this.alerts.firing);
    this.counted = "";
    this.redraw(this.list.machinesInView());
  }

  /** @override */
  thresholdsChanged() {
    this.redraw(this.list.machinesInView());
  }

  /** @override */
  tick() {
    this.list.tick(this.store.now());
    const counted = JSON.stringify(census(this.store.machines.values(), this.alertsOf));
    if (counted !== this.counted || this.since() >= ARRANGE_MS) this.arrange(false);
    this.counted = counted;
    this.prefill.soon();
  }

  since() {
    return performance.now() - this.arrangedAt;
  }

  /**
   * Rows that stay are kept as they are.
   * @param {boolean} wished whether someone has chosen it: then nothing is held
   */
  arrange(wished) {
    const { choice, alertsOf } = this;
    const machines = [...this.store.machines.values()];
    const wanted = ordered(chosen(machines, choice, alertsOf), choice.sort, choice.down, alertsOf);
    const held = !wished && this.hold.active;
    this.shown = held ? keptOrder(this.shown, wanted, new Set(machines)) : wanted;
    this.arrangedAt = performance.now();
    this.list.arrange(groupsOf(this.shown, choice.group), choice.group !== "");
    this.keys.ensureStop();
    this.bar.show(machines, this.shown, this.alerts.firing, alertsOf);
    this.head.show(choice);
    show(byId("fleet-held"), this.shown.some((machine, at) => machine !== wanted[at]));
    this.showWhatIs(machines.length);
    this.shape();
  }

  /** @param {number} all */
  showWhatIs(all) {
    const known = this.store.complete;
    show(byId("fleet-loading"), !known && all === 0);
    show(byId("fleet-empty"), known && all === 0);
    show(byId("fleet-bar"), all > 0);
    show(byId("fleet-table"), this.shown.length > 0);
    show(byId("fleet-nothing"), all > 0 && this.shown.length === 0);
  }

  /** Rows, or tiles where one wants them or there is no room. */
  shape() {
    const tiles = this.choice.tiles || NARROW.matches;
    setAttribute(byId("fleet"), "data-as", tiles ? "tiles" : "rows");
    this.list.layOut(tiles);
  }

  /** Other rows are in view. */
  viewed() {
    this.draw();
    this.prefill.soon();
  }

  draw() {
    this.list.draw(this.store.now(), this.alertsOf);
  }

  /** @param {Machine[]} machines */
  redraw(machines) {
    for (const machine of machines) this.list.touch(machine.name);
    this.draw();
  }

  /** @override */
  destroy() {
    this.leaving.abort();
    this.stopUnits();
    for (const part of [this.bar, this.hold, this.keys, this.prefill, this.list]) part.destroy();
  }
}
