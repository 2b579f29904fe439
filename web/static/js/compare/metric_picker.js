// @ts-check
/** Chooses the metric: all that machines report, by family, with what each is and its unit. */

import { byId, element } from "../page/dom.js";
import { linkTo } from "../page/here.js";
import { catalogue, familiesFound, familyTitle, whyNoCatalogue } from "../live/catalogue.js";
import { Picker } from "../page/picker.js";

/** @typedef {import("./compare_choice.js").CompareChoice} CompareChoice */

export class MetricPicker {
  /** @param {CompareChoice} choice */
  constructor(choice) {
    this.choice = choice;
    this.picker = new Picker(byId("compare-metric"), "Search metrics", (search) => this.found(search));
  }

  /** @param {CompareChoice} choice */
  show(choice) {
    if (choice.metric !== this.choice.metric) this.picker.close();
    this.choice = choice;
    this.picker.say(choice.metric);
    this.picker.fill();
  }

  /** @param {string} search */
  found(search) {
    const families = familiesFound(catalogue().values(), search);
    if (!catalogue().size) return [element("p", { class: "hint" }, whyNoCatalogue())];
    if (!families.length) return [element("p", { class: "hint" }, "No metric is called so.")];
    return families.map(({ family, metrics }) => {
      const title = element("h2", { id: `family-${family}` }, familyTitle(family));
      const list = element("ul", { "aria-labelledby": title.id }, ...metrics.map((one) => this.item(one)));
      return element("div", { class: "found-group" }, title, list);
    });
  }

  /** @param {import("../live/catalogue.js").Metric} metric */
  item({ metric, unit, help, instance_label: noun }) {
    const each = noun ? `, for each ${noun}` : "";
    const link = linkTo(
      { compare: { ...this.choice, metric, instance: "" } },
      element("span", { class: "found-name" }, metric),
      element("small", { class: "unit" }, unit + each),
      element("small", { class: "help" }, help),
    );
    if (metric === this.choice.metric) link.setAttribute("aria-current", "true");
    return element("li", {}, link);
  }

  destroy() {
    this.picker.destroy();
  }
}
