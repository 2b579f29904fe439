// @ts-check
/** A list of alerts as cards, the first of them with their charts: cards stay while their alert does. */

import { element } from "../page/dom.js";
import { AlertCard, alertKey } from "./alert_card.js";

/** @typedef {import("../live/contract.js").Alert} Alert */
/** @typedef {import("./rules.js").Rule} Rule */

/** More are shown at a wish. */
const PAGE = 50;

export class CardList {
  /**
   * @param {HTMLElement} list
   * @param {import("../live/store.js").Store} store
   * @param {number} charts how many cards show their chart by themselves
   */
  constructor(list, store, charts) {
    this.list = list;
    this.store = store;
    this.charts = charts;
    this.shown = PAGE;
    /** @type {Map<string, AlertCard>} */
    this.cards = new Map();
    this.list.replaceChildren();
  }

  /**
   * @param {Alert[]} alerts in the order of the cards
   * @param {Map<string, Rule> | null} rules
   */
  update(alerts, rules) {
    const shown = alerts.slice(0, this.shown);
    const wanted = new Set(shown.map(alertKey));
    for (const [key, card] of this.cards) {
      if (wanted.has(key)) continue;
      card.destroy();
      this.cards.delete(key);
    }
    shown.forEach((alert, at) => this.place(alert, at, rules));
    for (const extra of [...this.list.children].slice(shown.length)) extra.remove();
    const more = alerts.length - shown.length;
    if (more > 0) this.list.append(this.moreItem(more, () => this.update(alerts, rules)));
  }

  /**
   * @param {Alert} alert
   * @param {number} at
   * @param {Map<string, Rule> | null} rules
   */
  place(alert, at, rules) {
    const key = alertKey(alert);
    const known = this.cards.get(key);
    const card = known ?? new AlertCard(this.store, alert);
    this.cards.set(key, card);
    if (this.list.children[at] !== card.element) this.list.insertBefore(card.element, this.list.children[at] ?? null);
    card.update(alert, rules?.get(alert.rule));
    if (!known && at < this.charts) card.open(true);
  }

  /**
   * @param {number} more
   * @param {() => void} again
   */
  moreItem(more, again) {
    const button = element("button", { type: "button", class: "more" }, `and ${more} more`);
    button.addEventListener("click", () => {
      this.shown += PAGE;
      again();
    });
    return element("li", {}, button);
  }

  /** @param {Map<string, Rule> | null} rules */
  tick(rules) {
    for (const card of this.cards.values()) card.tick(rules?.get(card.alert.rule));
  }

  /** @param {import("../live/contract.js").Frame} frame */
  take(frame) {
    for (const { alert, panel } of this.cards.values()) if (alert.machine === frame.machine) panel?.take(frame);
  }

  /** @param {(panel: import("./alert_panel.js").AlertPanel) => void} act on each chart that is shown */
  eachPanel(act) {
    for (const { panel } of this.cards.values()) if (panel) act(panel);
  }

  /** Charts are made anew. */
  remake() {
    for (const card of this.cards.values()) card.renew(card.alert);
  }

  destroy() {
    for (const card of this.cards.values()) card.destroy();
    this.list.replaceChildren();
  }
}
