// @ts-check
/** What is known of one machine now. */

import { fullest, single, traffic } from "./figures.js";
import { Ring, TRACE_SAMPLES } from "./ring.js";

/** @typedef {import("./layout.js").Layout} Layout */

/** One machine as it is known now. */
export class Machine {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** @type {import("./contract.js").MachineState} */
    this.state = "waiting";
    this.interval = 5;
    this.agentVersion = "";
    /** @type {Record<string, string>} */
    this.facts = {};
    /** @type {string[]} */
    this.tags = [];
    /** @type {number | null} */
    this.time = null;
    /** When the hub got that sample, by its own clock. @type {number | null} */
    this.received = null;
    /** Counts how often its clock was set back: what was drawn before then lies in its future. */
    this.restarts = 0;
    /** @type {Layout | null} */
    this.layout = null;
    /** @type {(number | null)[] | null} */
    this.values = null;
    this.cpuTrace = new Ring(TRACE_SAMPLES);
    this.memoryTrace = new Ring(TRACE_SAMPLES);
    /** The share of the file system that is fullest at each moment, whichever that is. */
    this.diskTrace = new Ring(TRACE_SAMPLES);
    this.loadTrace = new Ring(TRACE_SAMPLES);
    this.trafficTrace = new Ring(TRACE_SAMPLES);
  }

  /**
   * Have a sample that it holds in its short traces; NaN is "not read".
   * @param {number} time seconds since 1970
   */
  trace(time) {
    this.cpuTrace.push(time, single(this, "cpu.percent") ?? NaN);
    this.memoryTrace.push(time, single(this, "memory.percent") ?? NaN);
    this.diskTrace.push(time, fullest(this)?.percent ?? NaN);
    this.loadTrace.push(time, single(this, "system.load1") ?? NaN);
    const received = traffic(this, "network.received");
    const sent = traffic(this, "network.sent");
    this.trafficTrace.push(time, received === null && sent === null ? NaN : (received ?? 0) + (sent ?? 0));
  }
}
