// @ts-check
/** The head of the list: a button for each column, which sorts by it. */

import { byId, element, setAttribute } from "../page/dom.js";
import { COLUMNS } from "./columns.js";
import { startsDown } from "./fleet_order.js";

/** @typedef {import("./fleet_choice.js").FleetChoice} FleetChoice */
/** @typedef {import("./fleet_choice.js").Sort} Sort */

export class FleetHead {
  /**
   * @param {HTMLElement} row
   * @param {(change: Partial<FleetChoice>) => void} choose
   */
  constructor(row, choose) {
    /** @type {Map<Sort, HTMLElement>} */
    this.headers = new Map();
    for (const [sort, title] of COLUMNS) {
      const button = element("button", { type: "button" }, title, element("i", { "aria-hidden": "true" }));
      button.addEventListener("click", () => choose(this.after(sort)));
      this.headers.set(sort, element("div", { role: "columnheader", class: `cell-${sort}` }, button));
    }
    row.replaceChildren(...this.headers.values());
    setAttribute(row, "aria-rowindex", "1");
    setAttribute(byId("fleet-table"), "aria-colcount", String(COLUMNS.length));
    /** @type {{sort: Sort, down: boolean}} */
    this.shown = { sort: "name", down: false };
  }

  /** A second click on a column turns it round. @param {Sort} sort */
  after(sort) {
    return { sort, down: sort === this.shown.sort ? !this.shown.down : startsDown(sort) };
  }

  /** @param {FleetChoice} choice */
  show({ sort, down }) {
    this.shown = { sort, down };
    for (const [one, header] of this.headers) {
      setAttribute(header, "aria-sort", one !== sort ? "none" : down ? "descending" : "ascending");
    }
  }
}
