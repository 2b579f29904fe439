// @ts-check
/** The list of rules: what each watches, how grave it is, where it is from, and how many alerts it has now. */

import { catalogue } from "../live/catalogue.js";
import { element } from "../page/dom.js";
import { hereText, linkTo } from "../page/here.js";
import { writtenUnit } from "../page/preferences.js";
import { limits, subject } from "./wording.js";

/** @typedef {import("./rules.js").Rule} Rule */

/** @type {Record<Rule["source"], string>} */
const SOURCES = { default: "default", changed: "default, changed by the file", file: "rules file" };

/**
 * @param {Rule} rule
 * @param {import("../page/address.js").View} view
 * @returns {import("../page/keyed_list.js").Item}
 */
export function ruleItem(rule, view) {
  const said = JSON.stringify([rule, hereText(), unitOf(rule)]);
  return { key: rule.rule, said, make: () => ruleRow(rule, view) };
}

/**
 * @param {Rule} rule
 * @param {import("../page/address.js").View} view
 */
function ruleRow(rule, view) {
  const firing = element("td", { class: "number" }, rule.firing ? linkTo({ alerts: { ...view.alerts, text: rule.rule } }, String(rule.firing)) : "–");
  firing.classList.toggle("some", rule.firing > 0);
  return element(
    "tr",
    { "data-rule": rule.rule, "data-severity": rule.severity },
    element("th", { scope: "row" }, rule.rule),
    element("td", { class: "severity" }, rule.severity),
    element("td", {}, ...condition(rule, view)),
    firing,
    element("td", { class: "number" }, rule.pending ? String(rule.pending) : "–"),
    element("td", { class: "source" }, SOURCES[rule.source] ?? rule.source),
  );
}

/**
 * "filesystem.percent of /data* above 85% for 1 min": the metric leads to its comparison.
 * @param {Rule} rule
 * @param {import("../page/address.js").View} view
 */
function condition(rule, view) {
  const { metric } = rule;
  const about = subject(rule);
  if (metric === null) return [`${about} ${limits(rule, "")}`];
  const link = linkTo({ page: "compare", compare: { ...view.compare, metric, instance: "" } }, metric);
  return [link, `${about.slice(metric.length)} ${limits(rule, unitOf(rule))}`];
}

/** What its threshold is written in. @param {Rule} rule */
function unitOf({ metric }) {
  return metric === null ? "" : writtenUnit(metric, catalogue().get(metric)?.unit ?? "count");
}
