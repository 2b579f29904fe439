// @ts-check
/** The alerts that fire now: asked again whenever an event says that they changed, shown as a strip on top. */

import { NoAnswer, answerOf, untilAgain } from "../live/asking.js";
import { byId, element, setText, show } from "../page/dom.js";
import { hereText, linkTo } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";
import { Crier } from "./crier.js";
import { alertKey, ranked } from "./ranked.js";
import { withLink } from "../events/mention.js";
import { duration } from "../page/units.js";

/** @typedef {import("../live/contract.js").Alert} Alert */

/** More than this would push the page away. */
const MOST_SHOWN = 3;

export class Alerts {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {Alert[]} */
    this.firing = [];
    /** Those whose condition holds, but not for long enough yet. @type {Alert[]} */
    this.pending = [];
    /** Whether these are what there is now; "away" leaves what was known. @type {"loading" | "known" | "away"} */
    this.known = "loading";
    /** Why they cannot be asked for now, or "". */
    this.why = "";
    /** Why they are not evaluated, and so may be others than these; "" while they are. */
    this.unevaluated = "";
    /** @type {Map<string, string>} */
    this.worstOf = new Map();
    this.asking = false;
    this.askAgain = false;
    this.retryTimer = 0;
    /** Whether all are shown, however many. */
    this.unfolded = false;
    this.crier = new Crier();
    this.list = new KeyedList(byId("alert-list"));
  }

  /**
   * Severity of the worst alert of a machine, "" if none fires.
   * @param {string} machine
   */
  worst(machine) {
    return this.worstOf.get(machine) ?? "";
  }

  /** Why these may not be what fires now, or "". */
  get old() {
    return this.why || this.unevaluated;
  }

  /** @param {string} unevaluated why they are not evaluated, or "" */
  hear(unevaluated) {
    if (unevaluated === this.unevaluated) return;
    this.unevaluated = unevaluated;
    this.onChange();
  }

  /** Ask the gateway; one question at a time, and one more if news came meanwhile. */
  async refresh() {
    this.askAgain = this.asking;
    if (this.asking) return;
    this.asking = true;
    clearTimeout(this.retryTimer);
    try {
      this.take((await answerOf("api/alerts")).alerts);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.failed(error.because);
    } finally {
      this.asking = false;
    }
    if (this.askAgain) await this.refresh();
  }

  /** @param {Alert[]} alerts */
  take(alerts) {
    this.firing = ranked(alerts);
    this.pending = ranked(alerts, "pending");
    this.known = "known";
    this.worstOf = new Map();
    for (const alert of this.firing) {
      if (!this.worstOf.has(alert.machine)) this.worstOf.set(alert.machine, alert.severity);
    }
    this.why = "";
    this.crier.hear(this.firing);
    this.tell();
    this.onChange();
  }

  /** @param {string} why */
  failed(why) {
    this.known = "away";
    this.why = why;
    this.tell();
    this.onChange();
    this.retryTimer = setTimeout(() => void this.refresh(), untilAgain());
  }

  tell() {
    setText(byId("alerts-unknown"), `Alerts cannot be read at the moment: ${this.why}. Trying again.`);
    show(byId("alerts-unknown"), this.why !== "");
  }

  /**
   * Draw the strip: all alerts, or one machine's.
   * @param {string | null} machine
   * @param {number} now seconds since 1970
   */
  draw(machine, now) {
    const alerts = this.firing.filter((alert) => machine === null || alert.machine === machine);
    const shown = this.unfolded ? alerts.length : MOST_SHOWN;
    const items = alerts.slice(0, shown).map((alert) => itemOf(alert, now, machine === null));
    const more = alerts.length - shown;
    if (more > 0) items.push({ key: "more", said: `${more} ${machine}`, make: () => this.moreItem(more, machine, now) });
    this.list.show(items);
    show(byId("alert-list"), alerts.length > 0);
  }

  /**
   * @param {number} more
   * @param {string | null} machine
   * @param {number} now seconds since 1970
   */
  moreItem(more, machine, now) {
    const button = element("button", { type: "button" }, `and ${more} more`);
    button.addEventListener("click", () => {
      this.unfolded = true;
      this.draw(machine, now);
    });
    return element("li", { class: "more" }, button);
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
 * @param {number} now seconds since 1970
 * @param {boolean} link whether it stands among those of other machines
 * @returns {import("../page/keyed_list.js").Item}
 */
function itemOf(alert, now, link) {
  const { severity, message, since } = alert;
  // Its links lead to the time that is looked at now.
  const said = JSON.stringify([severity, message, since, link, hereText()]);
  return { key: alertKey(alert), said, make: () => alertItem(alert, now, link) };
}

/**
 * @param {Alert} alert
 * @param {number} now
 * @param {boolean} link whether it stands among those of other machines
 */
function alertItem(alert, now, link) {
  const since = element("time", { "data-since": String(alert.since) }, duration(now - alert.since));
  return element(
    "li",
    { "data-severity": alert.severity },
    element("span", { class: "severity" }, linkToAlert(alert)),
    element("span", { class: "alert-message" }, ...(link ? withLink(alert.message, alert.machine) : [alert.message])),
    since,
  );
}

/**
 * Its place on the page of alerts, among those of its rule on its machine.
 * @param {Alert} alert
 */
function linkToAlert({ severity, machine, rule }) {
  const link = linkTo({ page: "alerts", machine: "", alerts: { severity: "", machine, text: rule } }, severity);
  link.setAttribute("aria-label", `${severity}: the alert and its chart`);
  return link;
}
