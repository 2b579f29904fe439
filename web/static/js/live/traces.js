// @ts-check
/** Fills the short traces of a machine from history, so that sparklines are there when the page opens. */

import { HistoryError, fetchHistory } from "../chart/history.js";
import { TRACE_SAMPLES } from "./ring.js";

/** @typedef {import("./contract.js").History} History */
/** @typedef {import("./machine_state.js").Machine} Machine */

/**
 * Whether history answered.
 * @param {Machine} machine
 * @param {number} now seconds since 1970
 * @param {AbortSignal} signal
 */
export async function fillTraces(machine, now, signal) {
  const from = now - TRACE_SAMPLES * machine.interval;
  /** @param {string} metric */
  const ask = (metric) => fetchHistory(machine.name, metric, from, now, signal, TRACE_SAMPLES);
  try {
    const [cpu, received, sent] = await Promise.all([
      ask("cpu.percent"),
      ask("network.received"),
      ask("network.sent"),
    ]);
    machine.cpuTrace.refill(middles(cpu), total([cpu]));
    machine.trafficTrace.refill(middles(received), total([received, sent]));
    return true;
  } catch (error) {
    // Without history the trace grows from what comes live.
    if (!(error instanceof HistoryError) && !signal.aborted) throw error;
    return false;
  }
}

/** @param {History} history */
function middles(history) {
  return history.times.map((time) => time + history.step_seconds / 2);
}

/**
 * The sum over all series but the loopback interface's, row by row; NaN where nothing was read.
 * @param {History[]} histories of the same times
 * @returns {number[]}
 */
function total(histories) {
  const series = histories.flatMap((history) => history.series.filter((one) => one.instance !== "lo"));
  return histories[0].times.map((_, at) => {
    const read = series.map((one) => one.mean[at]).filter((value) => typeof value === "number");
    return read.length ? read.reduce((sum, value) => sum + value, 0) : NaN;
  });
}
