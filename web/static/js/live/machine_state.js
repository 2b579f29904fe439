// @ts-check
/** What is known of one machine now. */

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
    this.trafficTrace = new Ring(TRACE_SAMPLES);
  }
}
