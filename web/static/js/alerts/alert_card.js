// @ts-check
/** One alert that fires or is pending: what it says, by which rule, since when, its value, and its chart. */

import { catalogue } from "../live/catalogue.js";
import { withLink } from "../events/mention.js";
import { element, setAttribute, setText, show } from "../page/dom.js";
import { here, pointTo } from "../page/here.js";
import { writtenUnit } from "../page/preferences.js";
import { duration, format } from "../page/units.js";
import { clock, dateTime, day } from "../time/moments.js";
import { AlertPanel } from "./alert_panel.js";
import { against, firesIn } from "./wording.js";

/** @typedef {import("../live/contract.js").Alert} Alert */
/** @typedef {import("../live/store.js").Store} Store */
/** @typedef {import("./rules.js").Rule} Rule */

/** Around its beginning, in seconds: of what came before and after. */
const BEFORE = 900;
const AFTER = 2700;

export class AlertCard {
  /**
   * @param {Store} store
   * @param {Alert} alert
   */
  constructor(store, alert) {
    this.store = store;
    this.alert = alert;
    /** @type {AlertPanel | null} */
    this.panel = null;
    this.message = element("p", { class: "alert-message" });
    this.severity = element("span", { class: "severity" });
    this.said = "";
    /** @type {import("../page/address.js").View | null} */
    this.view = null;
    this.facts = element("dl", { class: "alert-facts" });
    this.value = this.fact("Value");
    this.since = element("a", { title: "Look at its beginning" });
    this.moment = element("time", {});
    this.since.append(this.moment);
    this.held = element("span", {});
    this.fact("Since").append(this.since, " ", this.held);
    this.rule = element("a", { title: "All of this rule" });
    this.fact("Rule").append(this.rule);
    this.soon = element("span", { class: "soon" });
    this.toggle = element("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Chart");
    this.toggle.addEventListener("click", () => this.open(this.panel === null));
    this.place = element("div", { class: "alert-chart live" });
    const head = element("div", { class: "alert-head" }, this.severity, this.soon);
    const text = element("div", { class: "alert-text" }, head, this.message, this.facts, this.toggle);
    this.element = element("li", { class: "alert-card" }, text, this.place);
    show(this.toggle, alert.metric !== "");
    show(this.place, false);
  }

  /** @param {string} title */
  fact(title) {
    const definition = element("dd", {});
    this.facts.append(element("div", {}, element("dt", {}, title), definition));
    return definition;
  }

  /**
   * @param {Alert} alert as it is now
   * @param {Rule | undefined} rule
   */
  update(alert, rule) {
    if (this.alert.threshold !== alert.threshold || this.alert.since !== alert.since) this.renew(alert);
    this.alert = alert;
    setAttribute(this.element, "data-severity", alert.severity);
    setAttribute(this.element, "data-rule", alert.rule);
    setText(this.severity, alert.severity);
    const view = here();
    // The link in it leads to the time that is looked at now.
    if (this.said !== alert.message || this.view !== view) {
      const held = this.message.contains(document.activeElement);
      this.message.replaceChildren(...withLink(alert.message, alert.machine));
      if (held) this.message.querySelector("a")?.focus({ preventScroll: true });
    }
    this.said = alert.message;
    this.view = view;
    pointTo(this.rule, { alerts: { ...view.alerts, text: alert.rule } });
    setText(this.rule, alert.rule);
    const fixed = /** @type {[number, number]} */ ([Math.floor(alert.since - BEFORE), Math.ceil(Math.min(alert.since + AFTER, this.store.now()))]);
    pointTo(this.since, { time: { ...view.time, fixed } });
    this.tick(rule);
  }

  /** Its value and how long it has held change by themselves. @param {Rule | undefined} rule */
  tick(rule) {
    const { alert } = this;
    const now = this.store.now();
    const today = day(alert.since) === day(now);
    setText(this.moment, today ? clock(alert.since) : dateTime(alert.since));
    setAttribute(this.moment, "datetime", new Date(alert.since * 1000).toISOString());
    setText(this.held, `(${duration(now - alert.since)})`);
    setText(this.value, this.valueText(rule));
    show(/** @type {HTMLElement} */ (this.value.parentElement), this.value.textContent !== "");
    setText(this.soon, alert.state === "pending" ? firesIn(alert.since, rule, now) : "");
    // What a metric is may become known only after its chart was made.
    if (this.panel && this.panel.chart.metricUnit !== this.unit()) this.renew(alert);
    if (this.panel && (this.panel.dirty || this.panel.range.live)) this.panel.draw();
  }

  /** @param {Rule | undefined} rule */
  valueText(rule) {
    const { metric, threshold } = this.alert;
    if (!metric) return "";
    const unit = writtenUnit(metric, this.unit());
    const value = this.newest();
    return against(value, threshold, rule?.comparison ?? "", unit) || format(value, unit);
  }

  /** The value as it is now where the machine is heard, else as it was written down. */
  newest() {
    const { layout, values } = this.store.machines.get(this.alert.machine) ?? {};
    const position = this.position(layout ?? null);
    const live = this.store.stale || position === undefined ? undefined : values?.[position];
    return live ?? this.alert.value;
  }

  /** @param {import("../live/layout.js").Layout | null} layout */
  position(layout) {
    return layout?.positions.get(this.alert.metric)?.find((at) => layout.series[at].instance === this.alert.instance);
  }

  /** Of the metric, as whoever knows it says. */
  unit() {
    const layout = this.store.machines.get(this.alert.machine)?.layout ?? null;
    const position = this.position(layout);
    const told = position === undefined ? undefined : layout?.series[position].unit;
    return told ?? catalogue().get(this.alert.metric)?.unit ?? "count";
  }

  /** Show the chart, or not. @param {boolean} wanted */
  open(wanted) {
    setAttribute(this.toggle, "aria-expanded", String(wanted));
    if (wanted === (this.panel !== null) || !this.alert.metric) return;
    show(this.place, wanted);
    this.element.classList.toggle("charted", wanted);
    if (wanted) {
      this.panel = new AlertPanel(this.store, this.alert, this.unit(), here().time);
      this.place.replaceChildren(this.panel.chart.element);
      this.panel.load();
      this.panel.draw();
    } else {
      this.panel?.destroy();
      this.panel = null;
      this.place.replaceChildren();
    }
  }

  /** It holds by another threshold or began anew: so does its chart. @param {Alert} alert */
  renew(alert) {
    this.alert = alert;
    if (!this.panel) return;
    this.open(false);
    this.open(true);
  }

  destroy() {
    this.panel?.destroy();
    this.element.remove();
  }
}
