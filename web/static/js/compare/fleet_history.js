// @ts-check
/** Asks for one metric of many machines at once: which questions that takes, and each of them. */

import { HistoryError } from "../chart/history.js";

/**
 * What /api/history answers: all series in the same buckets of time.
 * @typedef {{machine: string, instance: string, min: (number | null)[], mean: (number | null)[],
 *   max: (number | null)[]}} MachineSeries
 * @typedef {{metric: string, unit: string, kind: string, from: number, to: number, step_seconds: number,
 *   times: number[], series: MachineSeries[],
 *   gaps: {machine: string, from: number | null, to: number | null, frames: number, reason: string}[],
 *   unknown: string[], left_out?: {machine: string, unit: string}[]}} FleetHistory
 */
/** @typedef {{metric: string, machines: string[], instance: string, from: number, to: number, points: number}} Question */

const MOST_MACHINES = 50;
/** The gateway refuses more than 250,000 in one answer. */
const MOST_READINGS = 150_000;
/** The narrowest bucket has so many samples, as the gateway has it. */
const FEWEST_INTERVALS = 2;

/**
 * How machines are asked for, some at a time, so that no answer is larger than what the gateway gives.
 * @param {{name: string, series: number}[]} machines
 * @param {number} points
 * @returns {string[][]} names
 */
export function batches(machines, points) {
  /** @type {string[][]} */
  const found = [];
  let readings = Infinity;
  for (const { name, series } of machines) {
    const more = series * points;
    const last = found[found.length - 1];
    if (!last || last.length === MOST_MACHINES || readings + more > MOST_READINGS) {
      found.push([name]);
      readings = more;
    } else {
      last.push(name);
      readings += more;
    }
  }
  return found;
}

/**
 * So many buckets that those of all machines are equally wide, whichever of them are asked for together.
 * @param {number} wanted
 * @param {number} seconds that are asked for
 * @param {number} longest of the machines' intervals, in seconds
 */
export function sharedPoints(wanted, seconds, longest) {
  return Math.max(2, Math.min(wanted, Math.floor(seconds / (FEWEST_INTERVALS * longest))));
}

/**
 * @param {Question} question `instance` "" is each of them
 * @param {AbortSignal} signal
 * @returns {Promise<FleetHistory>} rejects with HistoryError, UnknownMetric or AbortError
 */
export async function fetchFleetHistory({ metric, machines, instance, from, to, points }, signal) {
  const query = new URLSearchParams({ metric, machines: machines.join(",") });
  if (instance) query.set("instance", instance);
  query.set("from", from.toFixed(3));
  query.set("to", to.toFixed(3));
  query.set("points", String(points));
  let response;
  try {
    response = await fetch(`api/history?${query}`, { signal });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new HistoryError("History cannot be reached.", true);
  }
  if (response.ok) return response.json();
  if (response.status === 404) throw new UnknownMetric("There is no history of it.", false);
  if (response.status === 503) throw new HistoryError("History is away: the database does not answer.", true);
  throw new HistoryError(`History was refused (${response.status}).`, response.status >= 500);
}

/** No machine ever had the metric. */
export class UnknownMetric extends HistoryError {}
