// @ts-check
/**
 * The rows of the list. Each machine has one that is hardly more than its name; cells are built, written and drawn only
 * for those in view, so that a thousand machines cost little more than thirty.
 */

import { byId, setAttribute } from "../page/dom.js";
import { place } from "../page/place.js";
import { FleetCells } from "./fleet_cells.js";
import { FleetRow } from "./fleet_row.js";
import { FleetSection } from "./fleet_section.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./machine_alerts.js").AlertsOf} AlertsOf */

/** What is so near to being in view has its cells already, in pixels. */
const NEAR = 300;
/** A tile is at least as wide, in pixels. */
const TILE = 320;

export class FleetList {
  /**
   * @param {import("../live/thresholds.js").Thresholds} thresholds
   * @param {() => void} onView called when other rows are in view
   */
  constructor(thresholds, onView) {
    this.thresholds = thresholds;
    this.onView = onView;
    this.element = byId("fleet-rows");
    /** By heading and name: a machine stands under each of its tags. @type {Map<string, FleetRow>} */
    this.rows = new Map();
    /** @type {Map<string, FleetRow[]>} */
    this.rowsOf = new Map();
    /** By heading. @type {Map<string, FleetSection>} */
    this.sections = new Map();
    /** @type {Set<FleetRow>} */
    this.inView = new Set();
    /** Cells that no row needs now. @type {FleetCells[]} */
    this.spare = [];
    this.looking = 0;
    this.tiles = false;
    /** How many stand beside each other. */
    this.across = 1;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    addEventListener("scroll", () => this.lookSoon(), { signal, passive: true });
    this.resizes = new ResizeObserver(() => this.layOut(this.tiles));
    this.resizes.observe(this.element);
    this.resizes.observe(document.body);
  }

  /** @returns {Machine[]} */
  machinesInView() {
    return [...new Set([...this.inView].map((row) => row.machine))];
  }

  /**
   * Rows that stay are kept as they are.
   * @param {import("./fleet_groups.js").Group[]} groups
   * @param {boolean} headed whether they have headings
   */
  arrange(groups, headed) {
    const [rowsBefore, sectionsBefore] = [this.rows, this.sections];
    this.rows = new Map();
    this.rowsOf = new Map();
    this.sections = new Map();
    // The first is that of the titles.
    let index = 2;
    for (const { tag, machines } of groups) {
      const key = headed ? `of ${tag}` : "";
      const section = sectionsBefore.get(key) ?? new FleetSection(headed);
      this.sections.set(key, section);
      const rows = machines.map((machine) => this.row(`${tag}\n${machine.name}`, machine, rowsBefore));
      index = section.show(tag, rows, this.across, index);
    }
    setAttribute(byId("fleet-table"), "aria-rowcount", String(index - 1));
    for (const [key, row] of rowsBefore) if (this.rows.get(key) !== row) this.leave(row);
    place(this.element, [...this.sections.values()].map((section) => section.element));
    this.lookSoon();
  }

  /**
   * @param {string} key
   * @param {Machine} machine
   * @param {Map<string, FleetRow>} before
   */
  row(key, machine, before) {
    let row = before.get(key);
    if (row?.machine !== machine) row = new FleetRow(machine);
    this.rows.set(key, row);
    const known = this.rowsOf.get(machine.name);
    if (known) known.push(row);
    else this.rowsOf.set(machine.name, [row]);
    return row;
  }

  /**
   * As tiles, as many beside each other as there is room for, or as rows.
   * @param {boolean} tiles
   */
  layOut(tiles) {
    this.tiles = tiles;
    const across = tiles ? Math.max(1, Math.floor(this.element.clientWidth / TILE)) : 1;
    this.lookSoon();
    if (across === this.across) return;
    this.across = across;
    this.element.style.setProperty("--across", String(across));
    for (const section of this.sections.values()) section.layOut(across);
  }

  /** Once before the browser draws next, however much has moved. */
  lookSoon() {
    this.looking ||= requestAnimationFrame(() => {
      this.looking = 0;
      this.look();
    });
  }

  /**
   * See which rows are in view. All are of one height, so it is only reckoned: an observer of a thousand elements costs more
   * than everything else while one scrolls.
   */
  look() {
    const seen = new Set([...this.sections.values()].flatMap((section) => section.seen(-NEAR, innerHeight + NEAR)));
    // Those that leave first: what they give back is what the others get.
    for (const row of this.inView) if (!seen.has(row)) this.leave(row);
    const come = [...seen].filter((row) => !this.inView.has(row));
    for (const row of come) this.enter(row);
    if (come.length) this.onView();
  }

  /** @param {FleetRow} row */
  enter(row) {
    this.inView.add(row);
    row.borrow(this.spare.pop() ?? new FleetCells(this.thresholds));
  }

  /** @param {FleetRow} row */
  leave(row) {
    this.inView.delete(row);
    const cells = row.giveBack();
    if (cells) this.spare.push(cells);
  }

  /** There is something new of a machine. @param {string} name */
  touch(name) {
    for (const row of this.rowsOf.get(name) ?? []) row.dirty = true;
  }

  /**
   * Draw what is in view and has something new.
   * @param {number} now seconds since 1970
   * @param {AlertsOf} alerts
   */
  draw(now, alerts) {
    for (const row of this.inView) if (row.dirty) row.draw(now, alerts.get(row.machine.name));
  }

  /** @param {number} now seconds since 1970 */
  tick(now) {
    for (const row of this.inView) if (row.machine.state === "silent") row.cells?.tick(row.machine, now);
  }

  destroy() {
    cancelAnimationFrame(this.looking);
    this.leaving.abort();
    this.resizes.disconnect();
    this.element.replaceChildren();
  }
}
