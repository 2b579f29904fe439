// @ts-check
/** Which alerts are new, in a sentence for those who hear the page. Pure. */

import { counted } from "../page/units.js";
import { alertKey } from "./ranked.js";

/** @typedef {import("../live/contract.js").Alert} Alert */

/** More than these are only counted: nobody can listen to fifty. */
const MOST_NAMED = 3;

/**
 * Those that fire now and did not before.
 * @param {Alert[]} before
 * @param {Alert[]} now
 */
export function newOf(before, now) {
  const known = new Set(before.map(alertKey));
  return now.filter((alert) => !known.has(alertKey(alert)));
}

/**
 * "web1: cpu-high fires, critical.", or how many do; "" for none.
 * @param {Alert[]} alerts
 */
export function newsText(alerts) {
  if (alerts.length <= MOST_NAMED) {
    return alerts.map(({ machine, rule, severity }) => `${machine}: ${rule} fires, ${severity}.`).join(" ");
  }
  const critical = alerts.filter((alert) => alert.severity === "critical").length;
  const machines = new Set(alerts.map((alert) => alert.machine)).size;
  const grave = critical ? `, ${critical} of them critical` : "";
  return `${alerts.length} new alerts fire on ${counted(machines, "machine")}${grave}.`;
}
