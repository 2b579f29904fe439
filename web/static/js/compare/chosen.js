// @ts-check
/** Which machines a choice means, which tags there are to choose, and which instances a metric has. Pure. */

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./compare_choice.js").CompareChoice} CompareChoice */

const byName = new Intl.Collator(undefined, { numeric: true });

/**
 * The machines that are named and those that have all of the tags, or every machine there is; in the order of names.
 * One that is named and is not known is left out: `strangers` has it.
 * @param {Map<string, Machine>} machines
 * @param {Pick<CompareChoice, "machines" | "tags">} choice
 * @returns {Machine[]}
 */
export function chosenMachines(machines, { machines: named, tags }) {
  const all = named.length === 0 && tags.length === 0;
  const found = [...machines.values()].filter(
    (machine) => all || named.includes(machine.name) || (tags.length > 0 && hasAll(machine, tags)),
  );
  return found.sort((a, b) => byName.compare(a.name, b.name));
}

/**
 * Machines that are named and that nobody has heard of.
 * @param {Map<string, Machine>} machines
 * @param {Pick<CompareChoice, "machines">} choice
 */
export function strangers(machines, { machines: named }) {
  return named.filter((name) => !machines.has(name));
}

/**
 * Each tag with how many machines would have it together with those that are chosen already; chosen ones first, then
 * the most common.
 * @param {Map<string, Machine>} machines
 * @param {string[]} chosen
 * @returns {{tag: string, count: number, chosen: boolean}[]}
 */
export function tagCounts(machines, chosen) {
  /** @type {Map<string, number>} */
  const counts = new Map(chosen.map((tag) => [tag, 0]));
  for (const machine of machines.values()) {
    if (!hasAll(machine, chosen)) continue;
    for (const tag of machine.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return [...counts]
    .map(([tag, count]) => ({ tag, count, chosen: chosen.includes(tag) }))
    .sort((a, b) => Number(b.chosen) - Number(a.chosen) || b.count - a.count || byName.compare(a.tag, b.tag));
}

/**
 * The instances that a metric has now on these machines, "" where it has a single series; with how many have each.
 * @param {Machine[]} machines
 * @param {string} metric
 * @returns {Map<string, number>}
 */
export function instancesOf(machines, metric) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { layout } of machines) {
    for (const position of layout?.positions.get(metric) ?? []) {
      const instance = layout?.series[position].instance ?? "";
      counts.set(instance, (counts.get(instance) ?? 0) + 1);
    }
  }
  return new Map([...counts].sort(([a], [b]) => byName.compare(a, b)));
}

/**
 * How many series of a metric a machine has now; 1 where its layout does not say.
 * @param {Machine} machine
 * @param {string} metric
 * @param {string} instance "" is each of them
 */
export function seriesCount(machine, metric, instance) {
  return instance ? 1 : Math.max(1, machine.layout?.positions.get(metric)?.length ?? 1);
}

/**
 * @param {Machine} machine
 * @param {string[]} tags
 */
const hasAll = (machine, tags) => tags.every((tag) => machine.tags.includes(tag));
