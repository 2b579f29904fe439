// @ts-check
/** Asks the gateway for history: a few questions at a time, and again later when it cannot answer. */

import { NoAnswer, answerOf, untilAgain } from "../live/asking.js";

/** @typedef {import("../live/contract.js").History} History */

const AT_ONCE = 4;
/** Many charts may wait in the gateway for the database at once. */
const PATIENCE_MS = 30_000;

/** The gateway did not answer with history. The message is fit to be shown. */
export class HistoryError extends Error {
  /**
   * @param {string} message
   * @param {number | null} again in how many milliseconds it is asked for again; null if that cannot help
   */
  constructor(message, again) {
    super(message);
    this.again = again;
  }
}

let running = 0;
/** @type {(() => void)[]} */
const waiting = [];

/**
 * One metric of one machine, all instances.
 * @param {string} machine
 * @param {string} metric
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 * @param {AbortSignal} signal
 * @param {number} points how many buckets at most
 * @returns {Promise<History>} rejects with HistoryError, or AbortError
 */
export async function fetchHistory(machine, metric, from, to, signal, points) {
  // Who ends hands its place on to the first who waits, so that nobody who comes then gets in between.
  if (running >= AT_ONCE) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  else running += 1;
  try {
    signal.throwIfAborted();
    const query = new URLSearchParams({ metric, from: from.toFixed(3), to: to.toFixed(3), points: String(points) });
    const none = new HistoryError("There is no history yet. Trying again.", untilAgain());
    return await ask(`api/machines/${encodeURIComponent(machine)}/history?${query}`, signal, none);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

/**
 * @param {string} address
 * @param {AbortSignal} signal
 * @param {HistoryError} none what to reject with where there is nothing of that name
 * @returns {Promise<any>} what is answered; rejects with HistoryError, or AbortError
 */
export async function ask(address, signal, none) {
  try {
    return await answerOf(address, signal, PATIENCE_MS);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.why === "none") throw none;
    throw new HistoryError(error.told("History"), error.again);
  }
}
