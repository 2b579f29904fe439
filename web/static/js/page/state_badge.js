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
  // By the hub's clock if it said so: the machine's own can be wrong.
  const heard = machine.received ?? machine.time;
  return heard === null ? "silent" : `silent ${duration(now - heard)}`;
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
