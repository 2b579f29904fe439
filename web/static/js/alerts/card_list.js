// @ts-check
/** A list of alerts as cards, the first of them with their charts: cards stay while their alert does. */

import { element, setText } from "../page/dom.js";
import { place } from "../page/place.js";
import { AlertCard } from "./alert_card.js";
import { alertKey } from "./ranked.js";

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
    this.more = element("button", { type: "button", class: "more" });
    this.moreItem = element("li", {}, this.more);
    /** What a click on it does. */
    this.listMore = () => {};
    this.more.addEventListener("click", () => this.listMore());
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
    const made = shown.map((alert) => this.cardOf(alert));
    const more = alerts.length - shown.length;
    setText(this.more, `and ${more} more`);
    this.listMore = () => {
      this.shown += PAGE;
      this.update(alerts, rules);
    };
    place(this.list, [...made.map(([card]) => card.element), ...(more > 0 ? [this.moreItem] : [])]);
    made.forEach(([card, known], at) => {
      card.update(shown[at], rules?.get(shown[at].rule));
      if (!known && at < this.charts) card.open(true);
    });
  }

  /**
   * @param {Alert} alert
   * @returns {[card: AlertCard, known: boolean]} whether it was there before
   */
  cardOf(alert) {
    const key = alertKey(alert);
    const known = this.cards.get(key);
    const card = known ?? new AlertCard(this.store, alert);
    this.cards.set(key, card);
    return [card, known !== undefined];
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
