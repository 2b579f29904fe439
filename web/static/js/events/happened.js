// @ts-check
/** The events that a page knows of: past ones that were asked for and those that came live, each once. No DOM. */

import { byItsClock } from "../live/machine_clock.js";

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */

/** So many are kept; above, those that were stored first are let go. */
export const MOST_KEPT = 1000;

export class Happened {
  constructor() {
    /** @type {Map<number, FleetEvent>} */
    this.known = new Map();
    /** Ascending, however late they were told of. @type {FleetEvent[]} */
    this.byTime = [];
    /** Whether some were let go. */
    this.dropped = false;
  }

  clear() {
    this.known.clear();
    this.dropped = false;
    this.byTime = [];
  }

  /**
   * Returns whether one of them was not known yet.
   * @param {FleetEvent[]} events
   */
  add(events) {
    const fresh = events.filter((event) => !this.known.has(event.id));
    if (!fresh.length) return false;
    for (const event of fresh) this.known.set(event.id, event);
    this.dropped ||= this.known.size > MOST_KEPT;
    const stored = [...this.known.values()].sort((a, b) => a.id - b.id);
    for (const event of stored.slice(0, -MOST_KEPT)) this.known.delete(event.id);
    this.byTime = stored.slice(-MOST_KEPT).sort(inTime);
    return true;
  }

  /**
   * Those that were told of last, so that one that comes late is not passed by; they are in the order of time, newest first.
   * @param {number} most
   */
  lastTold(most) {
    const told = [...this.known.values()].sort((a, b) => b.id - a.id);
    return told.slice(0, most).sort(inTime).reverse();
  }

  /**
   * Those of a time, both ends included, ascending. All times are by the machine's clock, or as they are without one.
   * @param {number} from seconds since 1970
   * @param {number} to seconds since 1970
   * @param {import("../live/machine_state.js").Machine} [machine]
   */
  within(from, to, machine) {
    const found = byItsClock(machine, this.byTime).filter((event) => event.time >= from && event.time <= to);
    return found.sort(inTime);
  }
}

/**
 * @param {FleetEvent} a
 * @param {FleetEvent} b
 */
const inTime = (a, b) => a.time - b.time || a.id - b.id;
