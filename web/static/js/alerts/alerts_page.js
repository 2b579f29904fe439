// @ts-check
/** The page of alerts: what fires and what may soon, each with its chart; what happened in the time shown; and the rules. */

import { isMetricName, refreshCatalogue } from "../live/catalogue.js";
import { byId, setText, show } from "../page/dom.js";
import { onUnitsChange } from "../page/preferences.js";
import { KeyedList } from "../page/keyed_list.js";
import { Page } from "../page/page.js";
import { counted } from "../page/units.js";
import { Range, sameTime } from "../time/range.js";
import { isChosen, isFiltered } from "./alerts_choice.js";
import { CardList } from "./card_list.js";
import { FilterBar } from "./filter_bar.js";
import { PastAlerts } from "./past_alerts.js";
import { pastItem } from "./past_list.js";
import { ruleItem } from "./rule_list.js";
import { Rules } from "./rules.js";

/** @typedef {import("../live/contract.js").Alert} Alert */

/** So many charts are drawn without being asked for. */
const CHARTS = 4;
/** Of how many metrics values are followed live. */
const MOST_METRICS = 32;
/** Of how many machines; of more all are. */
const MOST_MACHINES = 64;

export class AlertsPage extends Page {
  /** @override */
  title = "Alerts";

  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor({ store, alerts }, view) {
    super();
    this.store = store;
    this.alerts = alerts;
    this.view = view;
    this.generation = store.generation;
    this.range = new Range(() => store.now(), view.time);
    this.firing = new CardList(byId("alerts-firing"), store, CHARTS);
    this.pending = new CardList(byId("alerts-pending"), store, 0);
    this.filter = new FilterBar(() => this.names());
    this.pastList = new KeyedList(byId("alerts-past"));
    this.ruleList = new KeyedList(byId("alerts-rules"));
    this.past = new PastAlerts(() => this.drawPast());
    this.rules = new Rules(() => this.drawRules());
    this.leaving = new AbortController();
    byId("alerts-more").addEventListener("click", () => this.past.more(), { signal: this.leaving.signal });
    this.stopFrames = store.onFrame((frame) => this.take(frame));
    this.stopUnits = onUnitsChange(() => this.remake());
    this.past.begin(view.alerts, this.range.span());
    void this.rules.refresh();
    void refreshCatalogue(this.leaving.signal, () => this.drawRules());
    this.alertsChanged();
  }

  /**
   * @override
   * @param {import("../page/page.js").View} view
   */
  show(view) {
    if (view.page !== "alerts") return false;
    const before = this.view;
    this.view = view;
    this.range.choose(view.time);
    if (!sameTime(before.time, view.time)) {
      this.eachPanel((panel) => panel.choose(view.time));
      this.past.begin(view.alerts, this.range.span());
    } else if (before.alerts.machine !== view.alerts.machine) this.past.begin(view.alerts, this.range.span());
    else if (before.alerts !== view.alerts) this.past.choose(view.alerts);
    if (before.time.utc !== view.time.utc) this.eachPanel((panel) => panel.chart.rebuild());
    this.drawNow();
    this.drawPast();
    this.drawRules();
    return true;
  }

  /** @override */
  alertsChanged() {
    this.subscription = followed([...this.alerts.firing, ...this.alerts.pending]);
    this.drawNow();
    // What fires has changed, and with it how many each rule has.
    void this.rules.refresh();
  }

  /** Machines that have or had an alert, as far as is known, and those that another page has asked for. */
  names() {
    const { firing, pending } = this.alerts;
    const had = this.past.byTime.map((one) => one.machine).filter(Boolean);
    return [...this.store.machines.keys(), ...[...firing, ...pending].map((one) => one.machine), ...had];
  }

  /** What fires, and what is pending. */
  drawNow() {
    const { firing, pending, known } = this.alerts;
    const choice = this.view.alerts;
    const chosen = firing.filter((one) => isChosen(choice, one));
    const soon = pending.filter((one) => isChosen(choice, one));
    this.filter.show(choice, countsOf(firing));
    this.firing.update(chosen, this.rules.known);
    this.pending.update(soon, this.rules.known);
    show(byId("alerts-pending-part"), soon.length > 0);
    setText(byId("alerts-firing-count"), firing.length ? countText(chosen.length, firing.length) : "");
    setText(byId("alerts-pending-count"), countText(soon.length, pending.length));
    setText(byId("alerts-none"), this.whyNone(chosen.length, firing.length));
    show(byId("alerts-none"), chosen.length === 0);
    byId("alerts-none").dataset.state = this.alerts.old ? "away" : known;
    setText(byId("alerts-old"), `These are the alerts as they were: ${this.alerts.old}.`);
    show(byId("alerts-old"), this.alerts.old !== "" && firing.length + pending.length > 0);
  }

  /**
   * @param {number} chosen
   * @param {number} all
   */
  whyNone(chosen, all) {
    if (this.alerts.known === "loading") return "Loading…";
    if (all > chosen) return `${counted(all, "alert")} fire${all === 1 ? "s" : ""}, and none is among those that are chosen.`;
    if (this.alerts.known === "away") return `Alerts cannot be read at the moment: ${this.alerts.why}.`;
    return this.alerts.unevaluated ? "Nothing fired when alerts were last evaluated." : "Nothing fires.";
  }

  drawPast() {
    const { past } = this;
    past.from = this.range.span()[0];
    const chosen = past.chosen();
    const now = this.store.now();
    const shown = chosen.slice(0, past.wanted);
    this.pastList.show(shown.map((one) => pastItem(one, now, this.view.alerts)));
    show(byId("alerts-more"), past.state === "known" && (!past.whole || chosen.length > shown.length));
    setText(byId("alerts-past-said"), this.pastText(shown.length));
    show(byId("alerts-past-said"), byId("alerts-past-said").textContent !== "");
  }

  /** @param {number} shown */
  pastText(shown) {
    const { state, message, whole, byTime } = this.past;
    if (state === "away") return message;
    if (state === "loading") return shown ? "" : "Loading…";
    const looked = isFiltered(this.view.alerts) && byTime.length ? ` ${byTime.length} were looked through.` : "";
    if (!whole) return looked.trim();
    return shown ? "" : `No alert fired or was over in this time.${looked}`;
  }

  drawRules() {
    const { known, away } = this.rules;
    const chosen = [...(known?.values() ?? [])];
    this.ruleList.show(chosen.map((rule) => ruleItem(rule, this.view)));
    show(byId("alerts-rules-table"), chosen.length > 0);
    const kept = chosen.length ? " These are the rules as they were." : "";
    const said = away ? `The rules cannot be read: ${away}.${kept} Trying again.` : known ? "" : "Loading…";
    setText(byId("alerts-rules-said"), known && !away && !chosen.length ? "There is no rule." : said);
    show(byId("alerts-rules-said"), byId("alerts-rules-said").textContent !== "");
    this.firing.tick(known);
    this.pending.tick(known);
  }

  /** @param {import("../live/contract.js").Frame} frame */
  take(frame) {
    this.firing.take(frame);
    this.pending.take(frame);
  }

  /** @param {(panel: import("./alert_panel.js").AlertPanel) => void} act */
  eachPanel(act) {
    this.firing.eachPanel(act);
    this.pending.eachPanel(act);
  }

  /**
   * @override
   * @param {import("../live/store.js").Change} change
   */
  change(change) {
    if (this.store.generation !== this.generation) {
      this.generation = this.store.generation;
      this.eachPanel((panel) => panel.load());
      this.past.begin(this.view.alerts, this.range.span());
      void this.rules.refresh();
    } else if (change.eventsLost) this.past.begin(this.view.alerts, this.range.span());
    if (this.range.live && this.past.addLive(change.events)) this.drawPast();
    if (change.rules) void this.rules.refresh();
    if (change.membership) this.drawNow();
  }

  /** Numbers are written in another unit: charts are made anew. */
  remake() {
    for (const list of [this.firing, this.pending]) list.remake();
    this.drawNow();
    this.drawRules();
  }

  /** @override */
  tick() {
    this.firing.tick(this.rules.known);
    this.pending.tick(this.rules.known);
    // What the time that is shown has left behind leaves the list.
    if (this.range.live) this.drawPast();
  }

  /** @override */
  destroy() {
    this.leaving.abort();
    this.stopFrames();
    this.stopUnits();
    this.firing.destroy();
    this.pending.destroy();
    this.filter.destroy();
    this.past.destroy();
    this.rules.destroy();
  }
}

/**
 * The values that cards show: of few machines, of which the gateway follows as many sets as there are pages.
 * @param {Alert[]} alerts
 * @returns {import("../live/connection.js").Subscription}
 */
function followed(alerts) {
  const metrics = [...new Set(alerts.map((one) => one.metric).filter(isMetricName))].sort();
  const machines = [...new Set(alerts.map((one) => one.machine))].sort();
  return { machines: machines.length > MOST_MACHINES ? null : machines, metrics: metrics.slice(0, MOST_METRICS) };
}

/**
 * "3", or "1 of 3".
 * @param {number} chosen
 * @param {number} all
 */
function countText(chosen, all) {
  return chosen === all ? String(all) : `${chosen} of ${all}`;
}

/** @param {Alert[]} alerts */
function countsOf(alerts) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { severity } of alerts) counts[severity] = (counts[severity] ?? 0) + 1;
  return counts;
}
