// @ts-check
/**
 * Which alerts the alerts page shows, as the query string keeps it: `?view=alerts&severity=critical&on=web1&q=disk`.
 * Pure functions.
 */

export const SEVERITIES = /** @type {const} */ (["critical", "warning", "info"]);

/** @typedef {typeof SEVERITIES[number]} Severity */
/**
 * Those of one severity, one machine, and with a text in their sentence, rule, metric or instance; "" is any.
 * @typedef {{severity: "" | Severity, machine: string, text: string}} AlertsChoice
 */

/**
 * What it does not know is left at its default.
 * @param {URLSearchParams} query
 * @returns {AlertsChoice}
 */
export function readAlerts(query) {
  return {
    severity: SEVERITIES.find((one) => one === query.get("severity")) ?? "",
    machine: query.get("on") ?? "",
    text: query.get("q") ?? "",
  };
}

/**
 * Defaults are left out.
 * @param {URLSearchParams} query
 * @param {AlertsChoice} choice
 */
export function writeAlerts(query, { severity, machine, text }) {
  if (severity) query.set("severity", severity);
  if (machine) query.set("on", machine);
  if (text) query.set("q", text);
}

/**
 * What is looked at of an alert, whether it fires or is over.
 * @typedef {{severity: string, machine: string, message: string, rule: string, metric: string, instance: string}} About
 */

/**
 * Whether an alert is among those that are chosen. Every word of the text is in what it says or is called.
 * @param {AlertsChoice} choice
 * @param {About} about
 */
export function isChosen({ severity, machine, text }, about) {
  if (severity && about.severity !== severity) return false;
  if (machine && about.machine !== machine) return false;
  const said = [about.message, about.rule, about.machine, about.metric, about.instance].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => said.includes(word));
}

/** Whether anything is left out. @param {AlertsChoice} choice */
export function isFiltered({ severity, machine, text }) {
  return severity !== "" || machine !== "" || text !== "";
}
