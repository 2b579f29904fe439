// @ts-check
/** How far a value is from what the alert rules say. Pure functions. */

import { compiled } from "./glob.js";

/** @typedef {"ok" | "info" | "warning" | "critical"} Level */
/** What of a rule a meter needs. @typedef {{severity: Level, comparison: string, threshold: number}} Limit */
/**
 * A rule as `api/rules` has it; `metric` is null of one that watches for silence.
 * @typedef {{severity: string, machine: string, metric: string | null, instance: string | null,
 *   comparison: string | null, threshold: number | null}} Rule
 */
/** @typedef {Limit & {machine: RegExp, instance: RegExp}} Watch */
/** What is watched, by metric. @typedef {Map<string, Watch[]>} Watches */
/**
 * What a meter shows: how full it is, how bad that is, and at which percentages it gets worse.
 * @typedef {{percent: number | null, level: Level, marks: number[]}} Gauge
 */

/** @type {Level[]} */
const LEVELS = ["ok", "info", "warning", "critical"];

/** Where on the meter of a rate its highest threshold lies, in percent: beyond it there is still room. */
const HIGHEST_AT = 80;

/** For shares of something full while nobody knows the rules. @type {Limit[]} */
export const USUAL = [
  { severity: "warning", comparison: ">=", threshold: 80 },
  { severity: "critical", comparison: ">=", threshold: 92 },
];

/**
 * The rules about values, by metric.
 * @param {Rule[]} rules
 * @returns {Watches}
 */
export function watchesOf(rules) {
  /** @type {Watches} */
  const watches = new Map();
  for (const { severity, machine, metric, instance, comparison, threshold } of rules) {
    if (metric === null || threshold === null || comparison === null) continue;
    const known = LEVELS.find((one) => one === severity);
    if (!known || known === "ok") continue;
    const globs = { machine: compiled(machine), instance: compiled(instance ?? "*") };
    watches.set(metric, [...(watches.get(metric) ?? []), { severity: known, comparison, threshold, ...globs }]);
  }
  return watches;
}

/**
 * The limits that hold for one series.
 * @param {Watches} watches
 * @param {string} machine
 * @param {string} metric
 * @param {string} instance
 * @returns {Limit[]}
 */
export function limitsOf(watches, machine, metric, instance) {
  const some = watches.get(metric) ?? [];
  return some.filter((watch) => watch.machine.test(machine) && watch.instance.test(instance));
}

/**
 * The worst that limits say of a value. How long it has been so is not looked at: that is what an alert is for.
 * @param {Limit[]} limits
 * @param {number | null} value
 * @returns {Level}
 */
export function levelOf(limits, value) {
  if (value === null) return "ok";
  const reached = limits.filter((limit) => holds(limit, value)).map((limit) => LEVELS.indexOf(limit.severity));
  return LEVELS[Math.max(0, ...reached)];
}

/**
 * A value on a meter.
 * @param {Limit[]} limits
 * @param {number | null} value
 * @param {number | null} full the value at which the meter is full; null if that is not known
 * @returns {Gauge}
 */
export function gaugeOf(limits, value, full) {
  const level = levelOf(limits, value);
  if (full === null || !(full > 0)) return { percent: null, level, marks: [] };
  const places = limits.map((limit) => (limit.threshold / full) * 100);
  const marks = [...new Set(places)].filter((place) => place > 0 && place < 100).sort((a, b) => a - b);
  return { percent: value === null ? null : (value / full) * 100, level, marks };
}

/**
 * A value without a natural end on a meter, which only the limits give one.
 * @param {Limit[]} limits
 * @param {number | null} value
 * @returns {Gauge | null} null without a limit above nothing
 */
export function endlessGaugeOf(limits, value) {
  const highest = Math.max(0, ...limits.map((limit) => limit.threshold));
  return highest > 0 ? gaugeOf(limits, value, (highest / HIGHEST_AT) * 100) : null;
}

/**
 * That of several which says the worst; where some are as bad, the fullest.
 * @param {Gauge[]} gauges
 * @returns {Gauge | null} null of none
 */
export function worstOf(gauges) {
  const worse = (/** @type {Gauge} */ a, /** @type {Gauge} */ b) =>
    LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || (a.percent ?? -1) - (b.percent ?? -1);
  return gauges.reduce((/** @type {Gauge | null} */ worst, one) => (worst && worse(one, worst) <= 0 ? worst : one), null);
}

/**
 * @param {Limit} limit
 * @param {number} value
 */
function holds({ comparison, threshold }, value) {
  if (comparison === ">") return value > threshold;
  if (comparison === ">=") return value >= threshold;
  return comparison === "<" ? value < threshold : comparison === "<=" && value <= threshold;
}
