// @ts-check
/** Has the traces of machines in view filled from history: once, and again when something was missed. */

import { fetchFleetHistory } from "../chart/fleet_history.js";
import { HistoryError } from "../chart/history.js";
import { batchesOf, fillTraces } from "../live/traces.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

/** What scrolls by is not asked for; what stays comes in one question. */
const GATHER_MS = 150;
/** What has no answer is not asked for again before. */
const AGAIN_MS = 15_000;

export class Prefill {
  /**
   * @param {import("../live/store.js").Store} store
   * @param {() => Machine[]} inView
   * @param {(machines: Machine[]) => void} onFilled
   */
  constructor(store, inView, onFilled) {
    this.store = store;
    this.inView = inView;
    this.onFilled = onFilled;
    /** What their traces were filled for. @type {WeakMap<Machine, string>} */
    this.filled = new WeakMap();
    /** When they were last asked for, in milliseconds of Date.now(). @type {WeakMap<Machine, number>} */
    this.asked = new WeakMap();
    this.leaving = new AbortController();
    this.timer = 0;
    this.asking = false;
  }

  /** Other machines are in view, or newer samples are there. */
  soon() {
    if (this.asking || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      void this.fill();
    }, GATHER_MS);
  }

  async fill() {
    const machines = this.inView().filter((machine) => this.lacks(machine));
    if (!machines.length) return;
    this.asking = true;
    for (const machine of machines) this.asked.set(machine, Date.now());
    const { signal } = this.leaving;
    try {
      for (const batch of batchesOf(machines, this.store.now())) {
        const wanted = batch.machines.map((machine) => this.wanted(machine));
        if (!(await fillTraces(batch, signal, answered))) continue;
        batch.machines.forEach((machine, at) => this.filled.set(machine, wanted[at]));
        this.onFilled(batch.machines);
      }
    } catch (error) {
      // Another page has come.
      if (!signal.aborted) throw error;
      return;
    } finally {
      this.asking = false;
    }
    // Others may have come into view meanwhile.
    this.soon();
  }

  /** @param {Machine} machine */
  lacks(machine) {
    if (machine.time === null || this.filled.get(machine) === this.wanted(machine)) return false;
    return Date.now() - (this.asked.get(machine) ?? -Infinity) > AGAIN_MS;
  }

  /** Differs when the link was lost meanwhile, or its clock was set back. @param {Machine} machine */
  wanted(machine) {
    return `${this.store.generation} ${machine.restarts}`;
  }

  destroy() {
    clearTimeout(this.timer);
    this.leaving.abort();
  }
}

/**
 * What history says, or null: traces then grow from what comes live.
 * @type {import("../live/traces.js").Ask}
 */
async function answered(question, signal) {
  try {
    return await fetchFleetHistory(question, signal);
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    return null;
  }
}
