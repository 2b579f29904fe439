// @ts-check
/** What fires, machine by machine. Pure. */

/** @typedef {import("../live/contract.js").Alert} Alert */
/** How many alerts of a machine fire, the severity of the worst, and all severities. */
/** @typedef {{count: number, worst: string, severities: Set<string>}} MachineAlerts */
/** @typedef {Map<string, MachineAlerts>} AlertsOf */

/**
 * @param {Alert[]} firing the worst first
 * @returns {AlertsOf} only of those that have any
 */
export function alertsByMachine(firing) {
  /** @type {AlertsOf} */
  const found = new Map();
  for (const { machine, severity } of firing) {
    const known = found.get(machine);
    if (!known) found.set(machine, { count: 1, worst: severity, severities: new Set([severity]) });
    else {
      known.count += 1;
      known.severities.add(severity);
    }
  }
  return found;
}
