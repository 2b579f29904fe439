// @ts-check
/** Chooses which alerts the page shows: by severity, machine and text, kept in the address. */

import { Picker } from "../page/picker.js";
import { byId, element, setText, show } from "../page/dom.js";
import { go, here, hereText, linkTo } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";
import { searchBySlash } from "../page/shortcuts.js";
import { SEVERITIES, isFiltered } from "./alerts_choice.js";

/** @typedef {import("./alerts_choice.js").AlertsChoice} AlertsChoice */

const MOST_LISTED = 100;
const byName = new Intl.Collator(undefined, { numeric: true });

export class FilterBar {
  /** @param {() => Iterable<string>} machines that can be chosen */
  constructor(machines) {
    this.machines = machines;
    this.text = /** @type {HTMLInputElement} */ (byId("alerts-text"));
    this.picker = new Picker(byId("alerts-machine"), "Search machines", (search) => this.found(search));
    this.severities = new KeyedList(byId("alerts-severity"));
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    searchBySlash(this.text, signal);
    this.text.addEventListener("input", () => this.typed(), { signal });
    byId("alerts-clear").addEventListener("click", () => this.clear(), { signal });
  }

  /**
   * @param {AlertsChoice} choice
   * @param {Record<string, number>} counts of those that fire, by severity
   */
  show(choice, counts) {
    const offered = /** @type {AlertsChoice["severity"][]} */ (["", ...SEVERITIES]);
    const said = (/** @type {string} */ severity) => JSON.stringify([counts[severity], hereText()]);
    this.severities.show(offered.map((one) => ({ key: one, said: said(one), make: () => severityLink(choice, one, counts) })));
    this.picker.say(choice.machine || "any machine");
    this.picker.fill();
    if (this.text.value.trim() !== choice.text) this.text.value = choice.text;
    show(byId("alerts-clear"), isFiltered(choice));
  }

  /** Each letter is no step that "back" leads to. */
  typed() {
    go({ alerts: { ...here().alerts, text: this.text.value.trim() } }, { replace: true });
  }

  clear() {
    go({ alerts: { severity: "", machine: "", text: "" } });
    this.text.focus();
  }

  /** @param {string} search */
  found(search) {
    const text = search.toLowerCase();
    const names = [...new Set(this.machines())].filter((name) => name.toLowerCase().includes(text)).sort(byName.compare);
    const { alerts } = here();
    /** @type {[machine: string, label: string][]} */
    const offered = [["", "Any machine"], ...names.slice(0, MOST_LISTED).map((name) => /** @type {[string, string]} */ ([name, name]))];
    const items = offered.map(([machine, label]) => {
      const link = linkTo({ alerts: { ...alerts, machine } }, label);
      if (machine === alerts.machine) link.setAttribute("aria-current", "true");
      link.addEventListener("click", () => this.picker.close());
      return element("li", {}, link);
    });
    const list = element("ul", {}, ...items);
    const more = names.length - MOST_LISTED;
    return more > 0 ? [list, element("p", { class: "hint" }, `and ${more} more: the search finds them`)] : [list];
  }

  destroy() {
    this.leaving.abort();
    this.picker.destroy();
  }
}

/**
 * @param {AlertsChoice} choice
 * @param {AlertsChoice["severity"]} severity "" is any
 * @param {Record<string, number>} counts
 */
function severityLink(choice, severity, counts) {
  const link = linkTo({ alerts: { ...choice, severity } }, severity || "all");
  const count = counts[severity] ?? 0;
  if (severity && count) {
    const number = element("span", { class: "count", "data-severity": severity });
    setText(number, String(count));
    link.append(" ", number);
  }
  if (severity === choice.severity) link.setAttribute("aria-current", "true");
  return link;
}
