// @ts-check
/** In which order machines stand. Pure functions. */

import { fullest, single, traffic } from "../live/figures.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./fleet_choice.js").Sort} Sort */
/** @typedef {import("./machine_alerts.js").AlertsOf} AlertsOf */

const byName = new Intl.Collator("en", { numeric: true });
/** The worst first, and so upwards: whoever sorts by state looks for what is not up. */
const STATES = ["silent", "waiting", "up"];
const SEVERITIES = ["info", "warning", "critical"];
/** What grows from small to large where nobody wants the largest first. @type {Sort[]} */
const UPWARD = ["name", "state"];

/** Whether the largest comes first unless one wants it otherwise. @param {Sort} sort */
export function startsDown(sort) {
  return !UPWARD.includes(sort);
}

/**
 * @param {Iterable<Machine>} machines
 * @param {Sort} sort
 * @param {boolean} down the largest first
 * @param {AlertsOf} alerts
 * @returns {Machine[]} where there is no number last, and by name where they are equal
 */
export function ordered(machines, sort, down, alerts) {
  const sign = down ? -1 : 1;
  if (sort === "name") return [...machines].sort((a, b) => sign * byName.compare(a.name, b.name));
  const keyed = [...machines].map((machine) => ({ machine, key: keyOf(machine, sort, alerts) }));
  keyed.sort((a, b) => compare(a.key, b.key, sign) || byName.compare(a.machine.name, b.machine.name));
  return keyed.map(({ machine }) => machine);
}

/**
 * What is shown stays where it is, without what is gone; what is new comes before the first that it belongs before.
 * @template T
 * @param {T[]} shown
 * @param {T[]} wanted in the order that it would have
 * @param {Set<T>} present what may stay
 * @returns {T[]}
 */
export function keptOrder(shown, wanted, present) {
  const before = new Set(shown);
  const kept = shown.filter((one) => present.has(one));
  const after = new Map(wanted.map((one, at) => [one, wanted[at + 1]]));
  // From the end, so that what a new one belongs before has its place already.
  for (const one of wanted.filter((each) => !before.has(each)).reverse()) {
    const next = after.get(one);
    const at = next === undefined ? -1 : kept.indexOf(next);
    kept.splice(at < 0 ? kept.length : at, 0, one);
  }
  return kept;
}

/**
 * @param {number | null} a
 * @param {number | null} b
 * @param {number} sign
 */
function compare(a, b, sign) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return sign * (a - b);
}

/**
 * @param {Machine} machine
 * @param {Sort} sort
 * @param {AlertsOf} alerts
 * @returns {number | null}
 */
function keyOf(machine, sort, alerts) {
  if (sort === "state") return STATES.indexOf(machine.state);
  if (sort === "alert") return alertKey(alerts.get(machine.name));
  // The last words of one that is silent are no numbers of now.
  return machine.state === "up" ? figure(machine, sort) : null;
}

/**
 * @param {Machine} machine
 * @param {Sort} sort
 */
function figure(machine, sort) {
  switch (sort) {
    case "cpu":
      return single(machine, "cpu.percent");
    case "memory":
      return single(machine, "memory.percent");
    case "disk":
      return fullest(machine)?.percent ?? null;
    case "network":
      return rate(machine);
    case "load":
      return single(machine, "system.load1");
    default:
      return single(machine, "system.uptime");
  }
}

/** The worst counts, then how many. @param {import("./machine_alerts.js").MachineAlerts | undefined} its */
function alertKey(its) {
  return its ? 1000 * (SEVERITIES.indexOf(its.worst) + 1) + Math.min(999, its.count) : 0;
}

/** @param {Machine} machine */
function rate(machine) {
  const [received, sent] = [traffic(machine, "network.received"), traffic(machine, "network.sent")];
  return received === null && sent === null ? null : (received ?? 0) + (sent ?? 0);
}
