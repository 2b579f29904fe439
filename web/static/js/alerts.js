// @ts-check
/** The alerts that fire now: asked again whenever an event says that they changed, shown as a strip on top. */

import { DEFAULT_RANGE, format as address } from "./address.js";
import { byId, element, setText, show, viewLink } from "./dom.js";
import { duration } from "./units.js";

/** @typedef {import("./contract.js").Alert} Alert */

const ORDER = ["critical", "warning", "info"];
/** More than this would push the page away. */
const MOST_SHOWN = 6;

export class Alerts {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {Alert[]} */
    this.firing = [];
    /** @type {Map<string, string>} */
    this.worstOf = new Map();
    this.asking = false;
    this.askAgain = false;
  }

  /**
   * Severity of the worst alert of a machine, "" if none fires.
   * @param {string} machine
   */
  worst(machine) {
    return this.worstOf.get(machine) ?? "";
  }

  /** Ask the gateway; one question at a time, and one more if news came meanwhile. */
  async refresh() {
    this.askAgain = this.asking;
    if (this.asking) return;
    this.asking = true;
    try {
      const response = await fetch("api/alerts");
      if (response.ok) this.take((await response.json()).alerts);
      else this.tell(false);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.tell(false);
    } finally {
      this.asking = false;
    }
    if (this.askAgain) await this.refresh();
  }

  /** @param {Alert[]} alerts */
  take(alerts) {
    this.firing = alerts
      .filter((alert) => alert.state === "firing")
      .sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || b.since - a.since);
    this.worstOf = new Map();
    for (const alert of this.firing) {
      if (!this.worstOf.has(alert.machine)) this.worstOf.set(alert.machine, alert.severity);
    }
    this.tell(true);
    this.onChange();
  }

  /** @param {boolean} known */
  tell(known) {
    show(byId("alerts-unknown"), !known);
  }

  /**
   * Draw the strip: all alerts, or one machine's.
   * @param {string | null} machine
   * @param {number} now seconds since 1970
   */
  draw(machine, now) {
    const list = byId("alert-list");
    const alerts = this.firing.filter((alert) => machine === null || alert.machine === machine);
    list.replaceChildren(...alerts.slice(0, MOST_SHOWN).map((alert) => alertItem(alert, now)));
    const more = alerts.length - MOST_SHOWN;
    if (more > 0) list.append(element("li", { class: "more" }, `and ${more} more`));
    show(list, alerts.length > 0);
  }

  /** Only how long they have fired changes by itself. @param {number} now seconds since 1970 */
  tick(now) {
    for (const node of byId("alert-list").querySelectorAll("time")) {
      setText(node, duration(now - Number(node.dataset.since)));
    }
  }
}

/**
 * @param {Alert} alert
 * @param {number} now
 */
function alertItem(alert, now) {
  const view = { machine: alert.machine, last: DEFAULT_RANGE };
  const since = element("time", { "data-since": String(alert.since) }, duration(now - alert.since));
  return element(
    "li",
    { "data-severity": alert.severity },
    element("span", { class: "severity" }, alert.severity),
    viewLink(view, address(view), alert.machine),
    element("span", { class: "alert-message" }, alert.message),
    since,
  );
}
