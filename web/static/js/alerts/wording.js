// @ts-check
/** Alerts and rules in words: what is compared with what, where, and for how long. Pure. */

import { duration, format } from "../page/units.js";

/** @typedef {import("./rules.js").Rule} Rule */

/** @type {Record<string, string>} */
const SIDES = { ">": "above", ">=": "at or above", "<": "below", "<=": "at or below" };

/**
 * "filesystem.percent of /data* on db-*"; everything is left out.
 * @param {Pick<Rule, "metric" | "instance" | "machine" | "silent">} rule
 */
export function subject({ metric, instance, machine, silent }) {
  const on = machine === "*" ? "" : ` on ${machine}`;
  if (silent) return `no sample comes${on}`;
  return `${metric}${instance && instance !== "*" ? ` of ${instance}` : ""}${on}`;
}

/**
 * A threshold: someone wrote it, so it has no more digits than that.
 * @param {number} value
 * @param {string} unit
 */
function exact(value, unit) {
  return format(value, unit).replace(/\.0+(?=%)/, "");
}

/**
 * "above 70% for 5 min; resolves at 65%".
 * @param {Pick<Rule, "comparison" | "threshold" | "clear" | "for_seconds">} rule
 * @param {string} unit
 */
export function limits({ comparison, threshold, clear, for_seconds: seconds }, unit) {
  if (threshold === null || comparison === null) return held(seconds);
  const over = clear === null || clear === threshold ? "" : `; resolves at ${exact(clear, unit)}`;
  return `${SIDES[comparison] ?? comparison} ${exact(threshold, unit)} ${held(seconds)}${over}`;
}

/**
 * "for 10 min", or "at once".
 * @param {number} seconds
 */
function held(seconds) {
  return seconds ? `for ${exactDuration(seconds)}` : "at once";
}

/**
 * Like `duration`, but with the seconds that a minute and more may have: rules are exact.
 * @param {number} seconds
 */
function exactDuration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3600 && seconds % 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : duration(seconds);
}

/**
 * "91.3%, above 90%"; "" where there is nothing to compare.
 * @param {number | null} value
 * @param {number | null} threshold
 * @param {string} comparison of the rule, "" if it is not known
 * @param {string} unit
 */
export function against(value, threshold, comparison, unit) {
  if (threshold === null) return "";
  const side = SIDES[comparison] ?? "threshold";
  return `${format(value, unit)}, ${side} ${exact(threshold, unit)}`;
}

/**
 * When a pending alert fires if its condition holds for so long: "fires in 40 s if it holds".
 * @param {number} since seconds since 1970
 * @param {Rule | undefined} rule
 * @param {number} now seconds since 1970
 */
export function firesIn(since, rule, now) {
  if (!rule) return "";
  const left = since + rule.for_seconds - now;
  return left > 0 ? `fires in ${duration(left)} if it holds` : "fires with the next sample if it holds";
}
