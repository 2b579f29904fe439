// @ts-check
/** The few numbers that sum a machine up, read from its newest values. Pure functions. */

/** @typedef {import("./machine_state.js").Machine} Machine */

/**
 * The value of a metric with a single series; null when it was not read.
 * @param {Machine} machine
 * @param {string} metric
 * @returns {number | null}
 */
export function single(machine, metric) {
  const position = machine.layout?.positions.get(metric)?.[0];
  return position === undefined ? null : (machine.values?.[position] ?? null);
}

/**
 * The values of a metric, by instance.
 * @param {Machine} machine
 * @param {string} metric
 * @returns {[instance: string, value: number | null][]}
 */
export function instances(machine, metric) {
  const { layout, values } = machine;
  const positions = layout?.positions.get(metric) ?? [];
  return positions.map((position) => [layout?.series[position].instance ?? "", values?.[position] ?? null]);
}

/**
 * What goes over the wire, in bytes/s, by interface; the loopback one is left out.
 * @param {Machine} machine
 * @param {"network.received" | "network.sent"} metric
 */
export function interfaces(machine, metric) {
  return instances(machine, metric).filter(([instance]) => instance !== "lo");
}

/**
 * What goes over the wire: the sum over interfaces without the loopback one, in bytes/s.
 * @param {Machine} machine
 * @param {"network.received" | "network.sent"} metric
 * @returns {number | null}
 */
export function traffic(machine, metric) {
  let sum = null;
  for (const [, value] of interfaces(machine, metric)) {
    if (value !== null) sum = (sum ?? 0) + value;
  }
  return sum;
}

/**
 * The filesystem that is fullest, in percent.
 * @param {Machine} machine
 * @returns {{mount: string, percent: number} | null}
 */
export function fullest(machine) {
  let found = null;
  for (const [mount, percent] of instances(machine, "filesystem.percent")) {
    if (percent !== null && (found === null || percent > found.percent)) found = { mount, percent };
  }
  return found;
}

/**
 * How many processors it has: as its facts say, or as many as it reads. Null if neither is known.
 * @param {Machine} machine
 * @returns {number | null}
 */
export function cores(machine) {
  const told = Number(machine.facts.cores);
  if (Number.isInteger(told) && told > 0) return told;
  return machine.layout?.positions.get("cpu.core_percent")?.length ?? null;
}
