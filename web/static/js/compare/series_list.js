// @ts-check
/** The table of what is compared: rank, machine, instance and what its numbers come to. Pointing at a row brings its series out, a click hides it. */

import { byId, element, setAttribute, setText, show } from "../page/dom.js";
import { here, linkTo, pointTo } from "../page/here.js";
import { swatchOf } from "../page/palette.js";
import { NOTHING, duration, format } from "../page/units.js";

/** @typedef {import("./ranking.js").Standing} Standing */
/** @typedef {import("../live/machine_state.js").Machine} Machine */

/**
 * What the list does for others: `point` is called with the key of the row that is pointed at or has focus, or null;
 * `toggle` when a series is to be hidden or shown; `listMore` when more rows are wanted.
 * @typedef {{point: (key: string | null) => void, toggle: (key: string) => void, listMore: () => void}} Deeds
 */

class Row {
  /**
   * @param {Standing} standing
   * @param {Deeds} deeds
   * @param {boolean} hides whether its series can be hidden
   */
  constructor({ key, machine, instance }, deeds, hides) {
    this.key = key;
    this.rank = element("span", {});
    this.swatch = element("i", { class: "swatch", "aria-hidden": "true" });
    this.name = instance ? `${machine} ${instance}` : machine;
    this.button = element("button", { type: "button", "aria-pressed": "true", "aria-label": `Draw ${this.name}` }, this.swatch);
    this.state = element("small", { class: "silent", hidden: "" });
    this.values = Array.from({ length: 3 }, () => element("td", {}));
    this.machine = machine;
    this.view = here();
    this.link = linkTo({ page: "machine", machine }, machine);
    const parts = element("div", { class: "row-name" }, this.link);
    if (instance) parts.append(" ", element("small", { class: "instance" }, instance));
    parts.append(" ", this.state);
    this.named = element("th", { scope: "row" }, parts);
    const ranked = element("td", { class: "rank" }, this.rank);
    if (hides) ranked.append(this.button);
    this.element = element("tr", { "data-key": key }, ranked, this.named, ...this.values);
    this.element.addEventListener("pointerenter", () => deeds.point(key));
    this.element.addEventListener("pointerleave", () => deeds.point(null));
    this.element.addEventListener("focusin", () => deeds.point(key));
    this.element.addEventListener("focusout", () => deeds.point(null));
    this.element.addEventListener("click", (click) => {
      if (hides && click.target instanceof Element && !click.target.closest("a")) deeds.toggle(key);
    });
  }

  /**
   * @param {Standing} standing
   * @param {number} rank counts from 1
   * @param {string} unit
   * @param {string} state of its machine where that is not up
   */
  update({ newest, mean, max }, rank, unit, state) {
    // It leads to the time that is looked at now.
    if (this.view !== here()) pointTo(this.link, { page: "machine", machine: this.machine });
    this.view = here();
    setText(this.rank, String(rank));
    [newest, mean, max].forEach((value, at) => setText(this.values[at], format(value, unit)));
    setText(this.state, state);
    setAttribute(this.named, "title", state ? `${this.name}, ${state}` : this.name);
    show(this.state, state !== "");
  }

  /**
   * @param {number} colour
   * @param {boolean} drawn
   */
  mark(colour, drawn) {
    this.swatch.style.background = swatchOf(colour);
    setAttribute(this.button, "aria-pressed", String(drawn));
    this.element.classList.toggle("hidden-series", !drawn);
  }
}

/** More rows than these are there at a wish: each costs something whenever numbers change. */
const MOST_LISTED = 100;

export class SeriesList {
  /**
   * @param {HTMLElement} body of the table
   * @param {Deeds} deeds
   */
  constructor(body, deeds) {
    this.body = body;
    this.deeds = deeds;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.hides = true;
    /** How many are listed. */
    this.most = MOST_LISTED;
    this.body.replaceChildren();
    this.more = /** @type {HTMLButtonElement} */ (byId("compare-more"));
    this.more.onclick = () => {
      this.most = Infinity;
      deeds.listMore();
    };
  }

  /** Whether somebody points at it or has focus in it: rows then keep their places. */
  get inUse() {
    return this.body.matches(":hover") || this.body.contains(document.activeElement);
  }

  /** Another choice: nothing of the last one stays. @param {boolean} hides whether series can be hidden */
  begin(hides) {
    this.hides = hides;
    this.most = MOST_LISTED;
    show(this.more, false);
    this.rows.clear();
    this.body.replaceChildren();
  }

  /**
   * @param {Standing[]} standings in the order of the rows
   * @param {string} unit
   * @param {(machine: string) => string} stateOf a machine that is not up, or ""
   */
  update(standings, unit, stateOf) {
    const listed = standings.slice(0, this.most);
    setText(this.more, `${standings.length - listed.length} more rows`);
    show(this.more, standings.length > listed.length);
    const wanted = new Set(listed.map((one) => one.key));
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
    listed.forEach((one, at) => {
      const row = this.rows.get(one.key) ?? new Row(one, this.deeds, this.hides);
      this.rows.set(one.key, row);
      row.update(one, at + 1, unit, stateOf(one.machine));
      // Only what is out of place is moved, so that focus stays.
      if (this.body.children[at] !== row.element) this.body.insertBefore(row.element, this.body.children[at] ?? null);
    });
  }

  /**
   * @param {(key: string) => number} colourOf
   * @param {Set<string>} hidden
   */
  mark(colourOf, hidden) {
    for (const [key, row] of this.rows) row.mark(colourOf(key), !hidden.has(key));
  }

  /** The chart's cursor means this series, or none. @param {string | null} key */
  bringOut(key) {
    for (const [name, row] of this.rows) row.element.classList.toggle("meant", name === key);
  }
}

/**
 * "silent 5 min" in the list, "" for a machine that is up.
 * @param {Machine | undefined} machine
 * @param {number} now seconds since 1970
 */
export function stateNote(machine, now) {
  if (!machine) return "not known now";
  if (machine.state === "up") return "";
  const heard = machine.received ?? machine.time;
  if (machine.state === "waiting") return "no sample yet";
  return heard === null ? "silent" : `silent ${heard > now ? NOTHING : duration(now - heard)}`;
}
