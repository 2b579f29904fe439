// @ts-check
/** Asks the gateway for one metric of many machines at once, in the same buckets of time. */

/** @typedef {import("./contract.js").FleetHistory} FleetHistory */

/** So many machines the gateway takes in one question. */
export const MOST_MACHINES = 100;

/**
 * @param {string} metric
 * @param {string[]} machines
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 * @param {AbortSignal} signal
 * @param {number} points how many buckets at most
 * @returns {Promise<FleetHistory | null>} null without an answer; rejects with AbortError
 */
export async function fetchFleetHistory(metric, machines, from, to, signal, points) {
  const names = machines.join(",");
  const asked = { metric, machines: names, from: from.toFixed(3), to: to.toFixed(3), points: String(points) };
  try {
    const response = await fetch(`api/history?${new URLSearchParams(asked)}`, { signal });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}
