// @ts-check
/** The fleet in a line: how many machines are in each state, what fires, what needs a reboot. Each is a filter. */

import { counted } from "../page/units.js";
import { ALERTS, STATES } from "./fleet_choice.js";

/** @typedef {import("./chips.js").Chip} Chip */
/** @typedef {import("./fleet_choice.js").FleetChoice} FleetChoice */
/** @typedef {(change: Partial<FleetChoice>) => void} Choose */

/**
 * @param {FleetChoice} choice
 * @param {ReturnType<typeof import("./fleet_filter.js").census>} counts
 * @param {import("../live/contract.js").Alert[]} firing
 * @param {Choose} choose
 * @returns {Chip[]} without those that are about nothing, but what is chosen stays
 */
export function summaryChips(choice, counts, firing, choose) {
  const chips = [
    ...stateChips(choice, counts, choose),
    ...alertChips(choice, firing, choose),
    ...anyChips(choice, counts, choose),
    {
      key: "reboot",
      text: counts.reboot === 1 ? "needs a reboot" : "need a reboot",
      count: counts.reboot,
      pressed: choice.reboot,
      kind: "reboot",
      press: () => choose({ reboot: !choice.reboot }),
    },
  ];
  return chips.filter((chip) => chip.count > 0 || chip.pressed);
}

/**
 * @param {FleetChoice} choice
 * @param {ReturnType<typeof import("./fleet_filter.js").census>} counts
 * @param {Choose} choose
 * @returns {Chip[]}
 */
function stateChips(choice, counts, choose) {
  return STATES.map((state) => ({
    key: state,
    text: state,
    count: counts[state],
    pressed: choice.state === state,
    kind: state,
    press: () => choose({ state: choice.state === state ? "" : state }),
  }));
}

/**
 * Machines with any alert and those with none, as long as there is a difference.
 * @param {FleetChoice} choice
 * @param {ReturnType<typeof import("./fleet_filter.js").census>} counts
 * @param {Choose} choose
 * @returns {Chip[]}
 */
function anyChips(choice, { all, alerted }, choose) {
  const chip = (/** @type {"any" | "none"} */ key, /** @type {string} */ text, /** @type {number} */ count) => ({
    key,
    text,
    count: alerted ? count : 0,
    pressed: choice.alert === key,
    kind: "alerts",
    press: () => choose({ alert: choice.alert === key ? "" : key }),
  });
  return [chip("any", "with alerts", alerted), chip("none", "without alerts", all - alerted)];
}

/**
 * @param {FleetChoice} choice
 * @param {import("../live/contract.js").Alert[]} firing
 * @param {Choose} choose
 * @returns {Chip[]}
 */
function alertChips(choice, firing, choose) {
  const severities = ALERTS.filter((one) => one !== "any" && one !== "none");
  return severities.map((severity) => {
    const alerts = firing.filter((alert) => alert.severity === severity);
    const machines = new Set(alerts.map((alert) => alert.machine)).size;
    return {
      key: severity,
      text: severity,
      count: alerts.length,
      pressed: choice.alert === severity,
      kind: severity,
      rest: ` ${alerts.length === 1 ? "alert" : "alerts"} on ${counted(machines, "machine")}`,
      press: () => choose({ alert: choice.alert === severity ? "" : severity }),
    };
  });
}
