// @ts-check
/** The place of one machine in the list: always there, with its name. What it shows beside that is lent to it while it is in view. */

import { element, setAttribute } from "../page/dom.js";
import { linkTo } from "../page/here.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./fleet_cells.js").FleetCells} FleetCells */

export class FleetRow {
  /** @param {Machine} machine */
  constructor(machine) {
    this.machine = machine;
    /** @type {FleetCells | null} */
    this.cells = null;
    this.dirty = false;
    this.index = 0;
    this.link = linkTo({ page: "machine", machine: machine.name }, machine.name);
    // Arrows go from row to row: with a stop at each, Tab would take a thousand steps through the list.
    this.link.tabIndex = -1;
    this.head = element("div", { role: "rowheader", class: "cell-name" }, this.link);
    this.element = element("div", { role: "row", class: "fleet-row", "data-machine": machine.name }, this.head);
  }

  /** Its place in the table, of whose rows a browser may leave out most. @param {number} index counts from 1 */
  number(index) {
    if (index === this.index) return;
    this.index = index;
    this.element.setAttribute("aria-rowindex", String(index));
  }

  /** @param {FleetCells} cells */
  borrow(cells) {
    this.cells = cells;
    this.dirty = true;
    this.head.append(cells.tags.element);
    this.element.append(...cells.elements);
  }

  /** @returns {FleetCells | null} what it does not need any more */
  giveBack() {
    const { cells } = this;
    this.cells = null;
    cells?.tags.element.remove();
    for (const cell of cells?.elements ?? []) cell.remove();
    return cells;
  }

  /**
   * @param {number} now seconds since 1970
   * @param {import("./machine_alerts.js").MachineAlerts | undefined} alerts
   */
  draw(now, alerts) {
    this.dirty = false;
    setAttribute(this.element, "data-state", this.machine.state);
    setAttribute(this.element, "data-alert", alerts?.worst ?? "");
    this.cells?.write(this.machine, now, alerts);
    this.cells?.draw(this.machine);
  }
}
