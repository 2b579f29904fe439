// @ts-check
/** The columns of the list of machines: what they are called, and what they sort by. */

/** @typedef {import("./fleet_choice.js").Sort} Sort */

/** In the order in which they stand; `short` is what a tile has room for. @type {[sort: Sort, title: string, short?: string][]} */
export const COLUMNS = [
  ["name", "Machine"],
  ["state", "State"],
  ["alert", "Alerts"],
  ["cpu", "CPU"],
  ["memory", "Memory"],
  ["disk", "Fullest disk", "Disk"],
  ["network", "Network"],
  ["load", "Load"],
  ["uptime", "Uptime", "Up"],
];
