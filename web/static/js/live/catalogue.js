// @ts-check
/** The metrics that any machine has now: asked of the gateway once, and again after a while; grouped and searched. */

/**
 * @typedef {{metric: string, unit: string, kind: string, help: string, instance_label: string}} Metric
 * @typedef {{family: string, metrics: Metric[]}} Family
 */

import { NoAnswer, answerOf, untilAgain } from "./asking.js";

const FRESH_MS = 60_000;
/** As in metric.py. */
const METRIC_NAME = /^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,63}$/;

/** @type {Map<string, Metric>} */
let known = new Map();
let askedAt = -Infinity;
/** @type {Promise<void> | null} */
let asking = null;
/** Why it cannot be asked for now, as a sentence; "" while it can. */
let fault = "";

/** What is known now, by name; empty until `refreshCatalogue` has been answered. */
export function catalogue() {
  return known;
}

/** What stands in its place while it is empty. */
export function whyNoCatalogue() {
  if (fault) return `${fault} Trying again.`;
  return askedAt < 0 ? "Loading…" : "No machine has told of a metric yet.";
}

/**
 * Ask the gateway unless it was asked lately, again and again until it answers; what was known stays meanwhile.
 * @param {AbortSignal} signal ends it: another page has come
 * @param {() => void} tell called whenever something else is known of it
 */
export async function refreshCatalogue(signal, tell) {
  while (Date.now() - askedAt >= FRESH_MS) {
    asking ??= ask().finally(() => (asking = null));
    await asking;
    if (signal.aborted) return;
    tell();
    if (fault) await new Promise((resolve) => setTimeout(resolve, untilAgain()));
    if (signal.aborted) return;
  }
}

async function ask() {
  try {
    /** @type {Metric[]} */
    const metrics = (await answerOf("api/metrics")).metrics;
    known = new Map(metrics.map((one) => [one.metric, one]));
    askedAt = Date.now();
    fault = "";
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    fault = error.sentence("The list of metrics");
  }
}

/**
 * Whether a metric can be called so. The address may name anything, and nothing else can be followed live.
 * @param {string} name
 */
export function isMetricName(name) {
  return METRIC_NAME.test(name);
}

/**
 * By family, in the order of their names. Every word of the search is in the name, the unit or the help.
 * @param {Iterable<Metric>} metrics
 * @param {string} search
 * @returns {Family[]}
 */
export function familiesFound(metrics, search) {
  const words = search.toLowerCase().split(/\s+/);
  /** @type {Map<string, Metric[]>} */
  const families = new Map();
  for (const one of metrics) {
    const text = `${one.metric} ${one.metric.replaceAll(/[._]/g, " ")} ${one.unit} ${one.help}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const family = one.metric.split(".")[0];
    families.set(family, [...(families.get(family) ?? []), one]);
  }
  const named = [...families].sort(([a], [b]) => (a < b ? -1 : 1));
  return named.map(([family, found]) => ({ family, metrics: found.sort((a, b) => (a.metric < b.metric ? -1 : 1)) }));
}

/**
 * "CPU", "Memory": a family as a heading.
 * @param {string} family
 */
export function familyTitle(family) {
  if (family === "cpu") return "CPU";
  const spaced = family.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
