// @ts-check
/** Asks the gateway for one metric of many machines at once, in the same buckets of time. */

import { HistoryError, ask } from "./history.js";

/** @typedef {import("../live/contract.js").FleetHistory} FleetHistory */
/**
 * `instance` "" is each of them; times are seconds since 1970; `points` is how many buckets there are at most.
 * @typedef {{metric: string, machines: string[], instance: string, from: number, to: number, points: number}} Question
 */

/** So many machines the gateway takes in one question. */
export const MOST_MACHINES = 100;

/** No machine ever had the metric. */
export class UnknownMetric extends HistoryError {}

/**
 * @param {Question} question
 * @param {AbortSignal} signal
 * @returns {Promise<FleetHistory>} rejects with HistoryError, UnknownMetric or AbortError
 */
export async function fetchFleetHistory({ metric, machines, instance, from, to, points }, signal) {
  const query = new URLSearchParams({ metric, machines: machines.join(",") });
  if (instance) query.set("instance", instance);
  query.set("from", from.toFixed(3));
  query.set("to", to.toFixed(3));
  query.set("points", String(points));
  return ask(`api/history?${query}`, signal, new UnknownMetric("There is no history of it.", null));
}
