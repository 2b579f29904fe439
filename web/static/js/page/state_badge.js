// @ts-check
/** Whether a machine is up, and if not, for how long it has been silent. */

import { element, setAttribute, setText } from "./dom.js";
import { duration } from "./units.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

/**
 * "up", "silent for 12 min", "waiting for the first sample".
 * @param {Machine} machine
 * @param {number} now seconds since 1970
 */
export function stateText(machine, now) {
  if (machine.state === "up") return "up";
  if (machine.state === "waiting") return "waiting";
  const since = silentFor(machine, now);
  return since === null ? "silent" : `silent ${duration(since)}`;
}

/**
 * "last words of 8 min ago": how old the numbers of a silent machine are; "" for any other.
 * @param {Machine} machine
 * @param {number} now seconds since 1970
 */
export function lastWordsText(machine, now) {
  if (machine.state !== "silent") return "";
  const since = silentFor(machine, now);
  return since === null ? "last words" : `last words of ${duration(since)} ago`;
}

/**
 * Seconds since its last sample, by the hub's clock if it said so: the machine's own can be wrong.
 * @param {Machine} machine
 * @param {number} now seconds since 1970
 */
function silentFor(machine, now) {
  const heard = machine.received ?? machine.time;
  return heard === null ? null : now - heard;
}

export class StateBadge {
  constructor() {
    this.text = element("span", {});
    this.element = element("span", { class: "state" }, element("i", { "aria-hidden": "true" }), this.text);
  }

  /**
   * @param {Machine} machine
   * @param {number} now seconds since 1970
   */
  update(machine, now) {
    setAttribute(this.element, "data-state", machine.state);
    setText(this.text, stateText(machine, now));
  }
}
