// @ts-check
/** The thresholds of the alert rules, asked of the gateway: what colours meters, and where their marks lie. */

import { NoAnswer, answerOf } from "./asking.js";
import { interfaces } from "./figures.js";
import { USUAL, endlessGaugeOf, gaugeOf, levelOf, limitsOf, watchesOf, worstOf } from "./limits.js";

/** @typedef {import("./limits.js").Limit} Limit */
/** @typedef {import("./machine_state.js").Machine} Machine */

/** A gateway of another version does not say that the rules are others, so the page looks from time to time. */
const AGAIN_MS = 300_000;
const RETRY_MS = 30_000;

/** @type {["network.received", "network.sent"]} */
const TRAFFIC = ["network.received", "network.sent"];

export class Thresholds {
  /** @param {() => void} onChange called when other thresholds hold than before */
  constructor(onChange) {
    this.onChange = onChange;
    /** The answer as it came, to see whether another differs; "" before the first, null without one. @type {string | null} */
    this.said = "";
    /** @type {import("./limits.js").Watches} */
    this.watches = new Map();
    this.asking = false;
    this.timer = 0;
  }

  /**
   * What a meter shows of one series of a machine.
   * @param {Machine} machine
   * @param {string} metric
   * @param {string} instance
   * @param {number | null} value
   * @param {number | null} [full] the value at which the meter is full
   */
  gauge(machine, metric, instance, value, full = 100) {
    const gauge = gaugeOf(this.limits(machine, metric, instance), value, full);
    // A mark says where a rule begins to hold: what is usual is none.
    return this.said === null ? { ...gauge, marks: [] } : gauge;
  }

  /**
   * What a meter shows of a machine's traffic: rules are about one interface and direction, so it is that of these
   * which is worst.
   * @param {Machine} machine
   * @returns {import("./limits.js").Gauge | null} null where no rule is about any, as a rate alone has no end
   */
  trafficGauge(machine) {
    const gauges = TRAFFIC.flatMap((metric) =>
      interfaces(machine, metric).map(([name, value]) => endlessGaugeOf(this.limits(machine, metric, name), value)),
    );
    return worstOf(gauges.filter((gauge) => gauge !== null));
  }

  /**
   * How bad a value of one series is.
   * @param {Machine} machine
   * @param {string} metric
   * @param {string} instance
   * @param {number | null} value
   */
  level(machine, metric, instance, value) {
    return levelOf(this.limits(machine, metric, instance), value);
  }

  /**
   * @param {Machine} machine
   * @param {string} metric
   * @param {string} instance
   * @returns {Limit[]}
   */
  limits(machine, metric, instance) {
    // Without alertd a full disk still looks full.
    if (this.said === null) return metric.endsWith(".percent") ? USUAL : [];
    return limitsOf(this.watches, machine.name, metric, instance);
  }

  /** Ask if the last question had no answer. */
  retry() {
    if (this.said === null) void this.refresh();
  }

  /** Ask now; and again later, by itself. */
  async refresh() {
    if (this.asking) return;
    this.asking = true;
    clearTimeout(this.timer);
    try {
      this.take(await ask());
    } finally {
      this.asking = false;
    }
    this.timer = setTimeout(() => void this.refresh(), this.said === null ? RETRY_MS : AGAIN_MS);
  }

  /** @param {string | null} said */
  take(said) {
    if (said === this.said) return;
    this.said = said;
    this.watches = said === null ? new Map() : watchesOf(JSON.parse(said).rules);
    this.onChange();
  }
}

/** @returns {Promise<string | null>} the answer as JSON; null if alertd or the gateway has no answer */
async function ask() {
  try {
    return JSON.stringify(await answerOf("api/rules"));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return null;
  }
}
