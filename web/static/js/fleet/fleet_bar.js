// @ts-check
/** What stands above the list: search, the fleet's summary, tags, grouping, sorting, rows or tiles. */

import { byId, element, setAttribute, setText, show } from "../page/dom.js";
import { counted } from "../page/units.js";
import { Chips } from "./chips.js";
import { COLUMNS } from "./columns.js";
import { filters, unfiltered } from "./fleet_choice.js";
import { census, tagCounts } from "./fleet_filter.js";
import { EACH_TAG, prefixesOf } from "./fleet_groups.js";
import { startsDown } from "./fleet_order.js";
import { summaryChips } from "./summary_chips.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./fleet_choice.js").FleetChoice} FleetChoice */

/** Browsers refuse an address that changes with every key for long. */
const TYPED_MS = 150;
const FEW_TAGS = 14;
/** Even where someone asks for more: the search finds the others. */
const MOST_TAGS = 200;

export class FleetBar {
  /**
   * @param {FleetChoice} choice
   * @param {(change: Partial<FleetChoice>) => void} choose
   */
  constructor(choice, choose) {
    this.choice = choice;
    this.choose = choose;
    this.search = /** @type {HTMLInputElement} */ (byId("fleet-search"));
    this.group = /** @type {HTMLSelectElement} */ (byId("fleet-group"));
    this.sort = /** @type {HTMLSelectElement} */ (byId("fleet-sort"));
    this.summary = new Chips(byId("fleet-summary"));
    this.tags = new Chips(byId("fleet-tags"));
    this.more = element("button", { type: "button", class: "more" });
    this.unfolded = false;
    this.groups = "";
    this.timer = 0;
    this.leaving = new AbortController();
    this.search.value = choice.text;
    this.sort.replaceChildren(...COLUMNS.map(([sort, title]) => element("option", { value: sort }, title)));
    this.listen();
  }

  listen() {
    const { signal } = this.leaving;
    /**
     * @param {HTMLElement} target
     * @param {"click" | "change" | "input"} kind
     * @param {() => void} act
     */
    const on = (target, kind, act) => target.addEventListener(kind, act, { signal });
    on(this.search, "input", () => this.typed());
    on(this.search, "change", () => this.searched());
    on(this.group, "change", () => this.choose({ group: this.group.value }));
    on(this.sort, "change", () => this.sortBy(this.sort.value));
    on(byId("fleet-order"), "click", () => this.choose({ down: !this.choice.down }));
    on(byId("fleet-as-rows"), "click", () => this.choose({ tiles: false }));
    on(byId("fleet-as-tiles"), "click", () => this.choose({ tiles: true }));
    on(byId("fleet-clear"), "click", () => this.clear());
    on(byId("fleet-nothing-clear"), "click", () => this.clear());
    on(this.more, "click", () => {
      this.unfolded = !this.unfolded;
      this.choose({});
    });
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.searched(), TYPED_MS);
  }

  searched() {
    clearTimeout(this.timer);
    if (this.search.value !== this.choice.text) this.choose({ text: this.search.value });
  }

  /** @param {string} value */
  sortBy(value) {
    const found = COLUMNS.find(([sort]) => sort === value);
    if (found) this.choose({ sort: found[0], down: startsDown(found[0]) });
  }

  clear() {
    clearTimeout(this.timer);
    this.search.value = "";
    this.choose(unfiltered(this.choice));
    this.search.focus();
  }

  /**
   * Another choice, made here or by "back".
   * @param {FleetChoice} choice
   */
  take(choice) {
    // What is being typed is newer than the address.
    if (choice.text !== this.choice.text && choice.text !== this.search.value) this.search.value = choice.text;
    this.choice = choice;
  }

  /**
   * @param {Machine[]} machines all
   * @param {Machine[]} shown
   * @param {import("../live/contract.js").Alert[]} firing
   * @param {import("./machine_alerts.js").AlertsOf} alertsOf
   */
  show(machines, shown, firing, alertsOf) {
    const { choice, choose } = this;
    this.summary.show(summaryChips(choice, census(machines, alertsOf), firing, choose));
    this.showTags(tagCounts(machines, shown));
    this.showGroups(prefixesOf(machines));
    this.sort.value = choice.sort;
    setAttribute(byId("fleet-order"), "aria-label", choice.down ? "Largest first" : "Smallest first");
    setAttribute(byId("fleet-order"), "data-down", String(choice.down));
    setAttribute(byId("fleet-as-rows"), "aria-pressed", String(!choice.tiles));
    setAttribute(byId("fleet-as-tiles"), "aria-pressed", String(choice.tiles));
    const narrowed = filters(choice);
    setText(byId("fleet-shown"), narrowed ? `${shown.length} of ${counted(machines.length, "machine")} shown` : "");
    show(byId("fleet-clear"), narrowed);
  }

  /** @param {[tag: string, shown: number][]} counts */
  showTags(counts) {
    const { choice } = this;
    const most = this.unfolded ? MOST_TAGS : FEW_TAGS;
    const listed = counts.filter(([tag], at) => at < most || choice.tags.includes(tag));
    // A tag of the address that no machine has must still be there to be taken back.
    const lost = choice.tags.filter((tag) => !counts.some(([one]) => one === tag));
    const chips = [...listed, ...lost.map((tag) => /** @type {[string, number]} */ ([tag, 0]))].map(([tag, count]) => ({
      key: tag,
      text: tag,
      count,
      pressed: choice.tags.includes(tag),
      press: () => this.toggleTag(tag),
    }));
    const hidden = counts.length - listed.length;
    setText(this.more, this.unfolded ? "fewer tags" : `${hidden} more`);
    const foldable = this.unfolded ? counts.length > FEW_TAGS : hidden > 0;
    this.tags.show(chips, foldable ? [this.more] : []);
    show(byId("fleet-tags"), chips.length > 0);
  }

  /** @param {string} tag */
  toggleTag(tag) {
    const { tags } = this.choice;
    this.choose({ tags: tags.includes(tag) ? tags.filter((one) => one !== tag) : [...tags, tag] });
  }

  /** @param {string[]} prefixes */
  showGroups(prefixes) {
    const { group } = this.choice;
    const known = ["", EACH_TAG, ...prefixes];
    const offered = known.includes(group) ? known : [...known, group];
    if (offered.join("\n") !== this.groups) {
      this.groups = offered.join("\n");
      const label = (/** @type {string} */ one) => (one === "" ? "not grouped" : one === EACH_TAG ? "each tag" : one);
      this.group.replaceChildren(...offered.map((one) => element("option", { value: one }, label(one))));
    }
    this.group.value = group;
  }

  destroy() {
    clearTimeout(this.timer);
    this.leaving.abort();
  }
}
