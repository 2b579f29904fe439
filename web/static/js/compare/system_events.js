// @ts-check
/** What happened to the systems of many machines, such as a generation that was activated: asked for once for all of them, then followed live. It draws nothing. */

import { aroundName } from "../events/around_name.js";
import { ask } from "../events/events.js";
import { Happened } from "../events/happened.js";
import { NoAnswer } from "../live/asking.js";

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */

const FAMILY = "system";
/** What the gateway tells of at once. */
const MOST_ASKED = 500;

export class SystemEvents {
  /** @param {() => void} onChange called when others are known than before */
  constructor(onChange) {
    this.onChange = onChange;
    this.happened = new Happened();
    this.asking = new AbortController();
    this.retryTimer = 0;
    /** Whether the time that was asked for has more of them. */
    this.cut = false;
  }

  /**
   * @param {number} from seconds since 1970
   * @param {number} to seconds since 1970, without an end while charts are live
   */
  async load(from, to) {
    this.stop();
    this.asking = new AbortController();
    const { signal } = this.asking;
    /** @type {Record<string, string>} */
    const question = { kind: FAMILY, from: Math.max(0, from).toFixed(3), limit: String(MOST_ASKED) };
    if (to < Infinity) question.to = to.toFixed(3);
    try {
      const events = await ask(question, signal);
      this.cut = events.length === MOST_ASKED;
      if (this.happened.add(events) || this.cut) this.onChange();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof NoAnswer)) throw error;
      // The charts are what the page is for: they go without marks meanwhile.
      const again = () => void this.load(from, to);
      if (error.again !== null) this.retryTimer = setTimeout(again, error.again);
    }
  }

  /** @param {FleetEvent[]} events as they arrived */
  add(events) {
    if (this.happened.add(events.filter((event) => event.kind.startsWith(`${FAMILY}.`)))) this.onChange();
  }

  /**
   * Those of some machines, each with its machine's name, ascending.
   * @param {number} from seconds since 1970
   * @param {number} to seconds since 1970
   * @param {Set<string>} machines
   * @returns {FleetEvent[]}
   */
  within(from, to, machines) {
    const found = this.happened.within(from, to);
    return found.flatMap((event) => (event.machine !== null && machines.has(event.machine) ? [named(event, event.machine)] : []));
  }

  stop() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
  }
}

/**
 * Without its generation: a mark can stand for many machines, of which each counts its own.
 * @param {FleetEvent} event
 * @param {string} machine
 * @returns {FleetEvent}
 */
function named(event, machine) {
  const [before, after] = aroundName(event.message, machine);
  return { ...event, fields: {}, message: before + machine + after };
}
