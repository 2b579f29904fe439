// @ts-check
/** Fills the short traces of machines from history, so that sparklines are there when the page opens. */

import { MOST_MACHINES } from "../chart/fleet_history.js";
import { clockOff, presentOf } from "./machine_clock.js";
import { TRACE_SAMPLES } from "./ring.js";

/** @typedef {import("./contract.js").FleetHistory} FleetHistory */
/** @typedef {import("./machine_state.js").Machine} Machine */
/**
 * What answers, with null where there is no answer.
 * @typedef {(question: import("../chart/fleet_history.js").Question, signal: AbortSignal) =>
 *   Promise<FleetHistory | null>} Ask
 */
/** Machines whose traces cover the same time, in seconds since 1970. @typedef {{machines: Machine[], from: number, to: number}} Batch */

const METRICS = ["cpu.percent", "memory.percent", "filesystem.percent", "system.load1", "network.received", "network.sent"];

/** What two readings of one moment make together. @typedef {(one: number, other: number) => number} Joined */
/** @type {Joined} */
const sum = (one, other) => one + other;

/**
 * Machines that one question can be about: of the same interval, and whose clocks are right.
 * @param {Machine[]} machines
 * @param {number} now seconds since 1970 by the hub's clock
 * @returns {Batch[]}
 */
export function batchesOf(machines, now) {
  /** @type {Map<string, Batch>} */
  const open = new Map();
  /** @type {Batch[]} */
  const batches = [];
  for (const machine of machines) {
    const alone = clockOff(machine) !== 0;
    const key = alone ? machine.name : `every ${machine.interval}`;
    let batch = open.get(key);
    if (!batch || batch.machines.length === MOST_MACHINES) {
      const to = alone ? presentOf(machine, now) : now;
      batch = { machines: [], from: to - TRACE_SAMPLES * machine.interval, to };
      open.set(key, batch);
      batches.push(batch);
    }
    batch.machines.push(machine);
  }
  return batches;
}

/**
 * Ask for all traces of a batch, a metric at a time, and fill them. Without history they grow from what comes live.
 * @param {Batch} batch
 * @param {AbortSignal} signal
 * @param {Ask} ask
 * @returns {Promise<boolean>} whether history answered
 */
export async function fillTraces({ machines, from, to }, signal, ask) {
  const question = { machines: machines.map((machine) => machine.name), instance: "", from, to, points: TRACE_SAMPLES };
  const answers = await Promise.all(METRICS.map((metric) => ask({ ...question, metric }, signal)));
  const [cpu, memory, disk, load, received, sent] = answers.map((answer, at) => rowsOf(answer, joinedAs(METRICS[at])));
  for (const machine of machines) {
    fill(machine.cpuTrace, machine.name, [cpu]);
    fill(machine.memoryTrace, machine.name, [memory]);
    fill(machine.diskTrace, machine.name, [disk]);
    fill(machine.loadTrace, machine.name, [load]);
    fill(machine.trafficTrace, machine.name, [received, sent]);
  }
  // A metric that no machine has is not there either.
  return answers.some((answer) => answer !== null);
}

/**
 * How the instances of a metric make one number: of file systems it is the fullest at each moment, as in a row.
 * @param {string} metric
 * @returns {Joined}
 */
function joinedAs(metric) {
  return metric === "filesystem.percent" ? Math.max : sum;
}

/**
 * By machine, row by row, all instances but the loopback interface as one; NaN where nothing was read.
 * @typedef {{middles: number[], rows: Map<string, Float64Array>}} Rows
 */
/**
 * @param {FleetHistory | null} history
 * @param {Joined} joined
 * @returns {Rows}
 */
function rowsOf(history, joined) {
  /** @type {Map<string, Float64Array>} */
  const rows = new Map();
  if (history === null) return { middles: [], rows };
  for (const { machine, instance, mean } of history.series) {
    if (instance === "lo") continue;
    const known = rows.get(machine) ?? new Float64Array(mean.length).fill(NaN);
    rows.set(machine, join(known, mean, joined));
  }
  return { middles: history.times.map((time) => time + history.step_seconds / 2), rows };
}

/**
 * @param {import("./ring.js").Ring} trace
 * @param {string} name
 * @param {Rows[]} parts of the same times, of which those are added that are there
 */
function fill(trace, name, parts) {
  const known = parts.filter(({ rows }) => rows.has(name));
  if (!known.length) return;
  const total = new Float64Array(known[0].middles.length).fill(NaN);
  for (const { rows } of known) join(total, rows.get(name) ?? [], sum);
  trace.refill(known[0].middles, total);
}

/**
 * The first with the second joined to it, where that was read.
 * @param {Float64Array} into
 * @param {ArrayLike<number | null>} values
 * @param {Joined} joined
 */
function join(into, values, joined) {
  for (let at = 0; at < into.length; at += 1) {
    const value = values[at];
    if (typeof value !== "number" || Number.isNaN(value)) continue;
    into[at] = Number.isNaN(into[at]) ? value : joined(into[at], value);
  }
  return into;
}
