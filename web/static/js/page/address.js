// @ts-check
/** What is looked at, as the query string keeps it: `?machine=web1&last=1h`. A link shows the same view. Pure functions. */

import { readAlerts, writeAlerts } from "../alerts/alerts_choice.js";
import { readCompare, writeCompare } from "../compare/compare_choice.js";
import { readFleet, writeFleet } from "../fleet/fleet_choice.js";
import { readTime, writeTime } from "../time/time_choice.js";

/** @typedef {"fleet" | "machine" | "compare" | "alerts"} PageName */
/**
 * A page and what is chosen on it. What belongs to other pages is kept beside it for as long as the document lives, so
 * that the way back leads to what was left. `machine` is "" on other pages than "machine".
 * @typedef {{page: PageName, machine: string, time: import("../time/time_choice.js").TimeChoice,
 *   fleet: import("../fleet/fleet_choice.js").FleetChoice,
 *   compare: import("../compare/compare_choice.js").CompareChoice,
 *   alerts: import("../alerts/alerts_choice.js").AlertsChoice}} View
 */

/**
 * The view that a query string names; what it does not know is left at its default.
 * @param {string} search with or without "?"
 * @param {View | null} before what was looked at, for what other pages have chosen
 * @param {boolean} utc whether times are in UTC where the address does not say
 * @returns {View}
 */
export function parse(search, before, utc) {
  const query = new URLSearchParams(search);
  const machine = query.get("machine") ?? "";
  const page = pageOf(machine, query.get("view"));
  const nothing = new URLSearchParams();
  return {
    page,
    machine,
    time: readTime(query, utc),
    fleet: page === "fleet" || !before ? readFleet(page === "fleet" ? query : nothing) : before.fleet,
    compare: page === "compare" || !before ? readCompare(page === "compare" ? query : nothing) : before.compare,
    alerts: page === "alerts" || !before ? readAlerts(page === "alerts" ? query : nothing) : before.alerts,
  };
}

/**
 * The address of a view, relative to the page; defaults are left out.
 * @param {View} view
 * @returns {string} "./" or "?machine=web1"
 */
export function format(view) {
  const query = new URLSearchParams();
  if (view.page === "machine") query.set("machine", view.machine);
  else if (view.page !== "fleet") query.set("view", view.page);
  if (view.page === "fleet") writeFleet(query, view.fleet);
  if (view.page === "compare") writeCompare(query, view.compare);
  if (view.page === "alerts") writeAlerts(query, view.alerts);
  writeTime(query, view.time);
  const text = query.toString();
  return text ? `?${text}` : "./";
}

/**
 * @param {string} machine
 * @param {string | null} view
 * @returns {PageName}
 */
function pageOf(machine, view) {
  if (machine) return "machine";
  return view === "compare" || view === "alerts" ? view : "fleet";
}
