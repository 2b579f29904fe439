// @ts-check
/** Chooses the machines: by tags, which are chips with counts, and by name. What is chosen stands beside as chips that can be taken away. */

import { byId, element, show } from "../page/dom.js";
import { go } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";
import { counted } from "../page/units.js";
import { tagCounts } from "./chosen.js";
import { Picker } from "../page/picker.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./compare_choice.js").CompareChoice} CompareChoice */

/** More would be scrolled past, not read: the search finds the others. */
const MOST_LISTED = 100;
const MOST_TAGS = 40;
/** Chips beside the menu. */
const MOST_CHIPS = 12;

const byName = new Intl.Collator(undefined, { numeric: true });

export class MachinePicker {
  /**
   * @param {Map<string, Machine>} machines
   * @param {CompareChoice} choice
   */
  constructor(machines, choice) {
    this.machines = machines;
    this.choice = choice;
    this.chips = new KeyedList(byId("compare-chips"));
    this.picker = new Picker(byId("compare-machines"), "Search tags and machines", (search) => this.found(search));
    this.drawn = "";
  }

  /**
   * @param {CompareChoice} choice
   * @param {number} meant how many machines that is
   */
  show(choice, meant) {
    this.choice = choice;
    const every = !choice.machines.length && !choice.tags.length;
    this.picker.say(every ? `all ${counted(meant, "machine")}` : counted(meant, "machine"));
    const drawn = JSON.stringify([choice.machines, choice.tags, [...this.machines.keys()].length]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.drawChips();
    this.picker.fill();
  }

  drawChips() {
    const { machines, tags } = this.choice;
    const all = [
      ...tags.map((tag) => chip(tag, `Without the tag ${tag}`, () => this.turnTag(tag))),
      ...machines.map((name) => chip(name, `Without ${name}`, () => this.turnMachine(name))),
    ];
    const more = all.length - MOST_CHIPS;
    const chips = all.slice(0, MOST_CHIPS);
    if (more > 0) chips.push({ key: "more", said: String(more), make: () => element("li", { class: "hint" }, `and ${more} more`) });
    if (all.length > 1) chips.push({ key: "clear", said: "", make: () => this.clearItem() });
    this.chips.show(chips);
    show(byId("compare-chips"), all.length > 0);
  }

  clearItem() {
    const clear = element("button", { type: "button", class: "clear" }, "Clear");
    clear.addEventListener("click", () => this.choose({ machines: [], tags: [] }));
    return element("li", {}, clear);
  }

  /** @param {string} search */
  found(search) {
    const text = search.toLowerCase();
    const fits = (/** @type {string} */ name) => name.toLowerCase().includes(text);
    const tags = tagCounts(this.machines, this.choice.tags).filter((one) => fits(one.tag));
    const names = [...this.machines.keys()].filter(fits).sort(byName.compare);
    const parts = [];
    if (tags.length) {
      const chips = tags.slice(0, MOST_TAGS).map((one) => element("li", {}, this.tagButton(one)));
      parts.push(group("Tags", "tag-choice", chips, tags.length - MOST_TAGS));
    }
    if (names.length) {
      const boxes = names.slice(0, MOST_LISTED).map((name) => element("li", {}, this.machineBox(name)));
      parts.push(group("Machines", "machine-choice", boxes, names.length - MOST_LISTED));
    }
    if (parts.length) return parts;
    const nothing = this.machines.size ? "No machine and no tag is called so." : "No machine has reported yet.";
    return [element("p", { class: "hint" }, nothing)];
  }

  /** @param {{tag: string, count: number, chosen: boolean}} one */
  tagButton({ tag, count, chosen }) {
    const number = element("b", {}, String(count));
    const button = element(
      "button",
      { type: "button", class: "chip", "aria-pressed": String(chosen), "data-name": `tag ${tag}` },
      element("span", {}, tag),
      number,
    );
    button.addEventListener("click", () => this.turnTag(tag));
    return button;
  }

  /** @param {string} name */
  machineBox(name) {
    const box = element("input", { type: "checkbox", "data-name": `machine ${name}` });
    box.checked = this.choice.machines.includes(name);
    box.addEventListener("change", () => this.turnMachine(name));
    const tags = this.machines.get(name)?.tags.join(", ") ?? "";
    return element("label", {}, box, element("span", {}, name), element("small", {}, tags));
  }

  /** @param {string} tag */
  turnTag(tag) {
    this.choose({ tags: turned(this.choice.tags, tag) });
  }

  /** @param {string} name */
  turnMachine(name) {
    this.choose({ machines: turned(this.choice.machines, name) });
  }

  /** @param {Partial<CompareChoice>} change */
  choose(change) {
    go({ compare: { ...this.choice, ...change } });
  }

  destroy() {
    this.picker.destroy();
  }
}

/**
 * @param {string[]} all
 * @param {string} one that leaves if it is there, and comes if not
 */
function turned(all, one) {
  return all.includes(one) ? all.filter((other) => other !== one) : [...all, one];
}

/**
 * @param {string} text
 * @param {string} label what a click does
 * @param {() => void} act
 * @returns {import("../page/keyed_list.js").Item}
 */
function chip(text, label, act) {
  const make = () => {
    const button = element("button", { type: "button", class: "chip", "aria-label": label }, element("span", {}, text), "×");
    button.addEventListener("click", act);
    return element("li", {}, button);
  };
  return { key: label, said: "", make };
}

/**
 * @param {string} title
 * @param {string} name of its class
 * @param {HTMLLIElement[]} items
 * @param {number} more how many are left out, if above 0
 */
function group(title, name, items, more) {
  const made = element(
    "div",
    { class: "found-group" },
    element("h2", {}, title),
    element("ul", { class: name }, ...items),
  );
  if (more > 0) made.append(element("p", { class: "hint" }, `and ${more} more: the search finds them`));
  return made;
}
