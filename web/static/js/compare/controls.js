// @ts-check
/** The smaller choices of the compare page: which instance, as lines or as a heat map, and how many lines. */

import { byId, element, setText, show } from "../page/dom.js";
import { go, hereText, linkTo } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";

/** @typedef {import("./compare_choice.js").CompareChoice} CompareChoice */

const TOPS = [5, 10, 20, 50];
/** @type {[shape: import("./compare_choice.js").Shape, label: string][]} */
const SHAPES = [
  ["lines", "Lines"],
  ["heat", "Heat map"],
];

export class Controls {
  constructor() {
    this.select = /** @type {HTMLSelectElement} */ (byId("compare-instance"));
    this.shapes = new KeyedList(byId("compare-shape"));
    this.tops = new KeyedList(byId("compare-top-choice"));
    this.leaving = new AbortController();
    this.options = "";
    /** @type {CompareChoice | null} */
    this.choice = null;
    this.select.addEventListener("change", () => this.chooseInstance(), { signal: this.leaving.signal });
  }

  /**
   * @param {CompareChoice} choice
   * @param {Map<string, number>} instances how many machines have each
   * @param {string} noun what an instance is ("core"), or ""
   */
  show(choice, instances, noun) {
    this.choice = choice;
    this.shapes.show(SHAPES.map(([shape, label]) => offer({ compare: { ...choice, shape } }, label, shape === choice.shape)));
    this.tops.show(TOPS.map((top) => offer({ compare: { ...choice, top } }, String(top), top === choice.top)));
    show(byId("compare-top"), choice.shape === "lines");
    this.showInstances(choice.instance, instances, noun);
  }

  /**
   * @param {string} chosen
   * @param {Map<string, number>} instances
   * @param {string} noun
   */
  showInstances(chosen, instances, noun) {
    const named = [...instances].filter(([instance]) => instance !== "");
    if (chosen && !instances.has(chosen)) named.push([chosen, 0]);
    setText(byId("compare-instance-noun"), noun || "instance");
    show(byId("compare-instance-choice"), named.length > 0);
    const options = JSON.stringify([chosen, noun, named]);
    if (options === this.options) return;
    this.options = options;
    const each = element("option", { value: "" }, `each (${named.length})`);
    this.select.replaceChildren(each, ...named.map(([instance, count]) => option(instance, count)));
    this.select.value = chosen;
  }

  chooseInstance() {
    if (this.choice) go({ compare: { ...this.choice, instance: this.select.value } });
  }

  destroy() {
    this.leaving.abort();
  }
}

/**
 * @param {string} instance
 * @param {number} count
 */
function option(instance, count) {
  return element("option", { value: instance }, count > 1 ? `${instance} (${count})` : instance);
}

/**
 * A link to another choice.
 * @param {Partial<import("../page/address.js").View>} change
 * @param {string} label
 * @param {boolean} chosen
 * @returns {import("../page/keyed_list.js").Item}
 */
function offer(change, label, chosen) {
  const make = () => {
    const link = linkTo(change, label);
    if (chosen) link.setAttribute("aria-current", "true");
    return link;
  };
  return { key: label, said: hereText(), make };
}
