// @ts-check
/** Which alerts are the same, and which are worth more than others. Pure. */

/** @typedef {import("../live/contract.js").Alert} Alert */

/**
 * What makes an alert this one.
 * @param {Pick<Alert, "rule" | "machine" | "instance">} alert
 */
export function alertKey({ rule, machine, instance }) {
  return JSON.stringify([rule, machine, instance]);
}

const ORDER = ["critical", "warning", "info"];

/**
 * Those that fire, or those that are pending: the worst first, and of those the newest.
 * @param {Alert[]} alerts
 * @param {Alert["state"]} [state]
 */
export function ranked(alerts, state = "firing") {
  // A severity that is not known comes last.
  const rank = (/** @type {Alert} */ { severity }) => (ORDER.indexOf(severity) + ORDER.length + 1) % (ORDER.length + 1);
  return alerts.filter((alert) => alert.state === state).sort((a, b) => rank(a) - rank(b) || b.since - a.since);
}
