// @ts-check
/** Which alerts are worth more than others. Pure. */

/** @typedef {import("../live/contract.js").Alert} Alert */

const ORDER = ["critical", "warning", "info"];

/**
 * Those that fire, the worst first, and of those the newest.
 * @param {Alert[]} alerts
 */
export function ranked(alerts) {
  // A severity that is not known comes last.
  const rank = (/** @type {Alert} */ { severity }) => (ORDER.indexOf(severity) + ORDER.length + 1) % (ORDER.length + 1);
  return alerts
    .filter((alert) => alert.state === "firing")
    .sort((a, b) => rank(a) - rank(b) || b.since - a.since);
}
