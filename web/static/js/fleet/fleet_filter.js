// @ts-check
/** Which machines a choice shows, and how many there are of each kind. Pure functions. */

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("./fleet_choice.js").FleetChoice} FleetChoice */
/** @typedef {import("./machine_alerts.js").AlertsOf} AlertsOf */

/** What can be found of a machine; made anew when it says something else of itself. */
/** @type {WeakMap<Machine, {facts: object, tags: object, text: string}>} */
const texts = new WeakMap();

/**
 * The machines that a choice shows, in their order.
 * @param {Iterable<Machine>} machines
 * @param {FleetChoice} choice
 * @param {AlertsOf} alerts
 * @returns {Machine[]}
 */
export function chosen(machines, choice, alerts) {
  const words = wordsOf(choice.text);
  return [...machines].filter(
    (machine) =>
      (!choice.state || machine.state === choice.state) &&
      (!choice.reboot || needsReboot(machine)) &&
      choice.tags.every((tag) => machine.tags.includes(tag)) &&
      hasAlert(choice.alert, alerts.get(machine.name)) &&
      (!words.length || finds(textOf(machine), words)),
  );
}

/**
 * Whether it runs a system that only a reboot completes, as NixOS machines say.
 * @param {Machine} machine
 */
export function needsReboot(machine) {
  return Boolean(machine.facts.needs_reboot);
}

/**
 * The whole fleet by state, those that need a reboot, and those that have an alert.
 * @param {Iterable<Machine>} machines
 * @param {AlertsOf} alerts
 */
export function census(machines, alerts) {
  const counts = { all: 0, up: 0, silent: 0, waiting: 0, reboot: 0, alerted: 0 };
  for (const machine of machines) {
    counts.all += 1;
    counts[machine.state] += 1;
    if (needsReboot(machine)) counts.reboot += 1;
    if (alerts.has(machine.name)) counts.alerted += 1;
  }
  return counts;
}

/**
 * Every tag of the fleet, the most frequent first, with how many of the shown machines have it.
 * @param {Iterable<Machine>} machines all
 * @param {Machine[]} shown
 * @returns {[tag: string, shown: number][]}
 */
export function tagCounts(machines, shown) {
  const [all, here] = [countTags(machines), countTags(shown)];
  const tags = [...all].sort(([a, often], [b, other]) => other - often || (a < b ? -1 : 1));
  return tags.map(([tag]) => [tag, here.get(tag) ?? 0]);
}

/** @param {Iterable<Machine>} machines */
function countTags(machines) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const machine of machines) for (const tag of machine.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return counts;
}

/**
 * @param {FleetChoice["alert"]} wanted
 * @param {import("./machine_alerts.js").MachineAlerts | undefined} its
 */
function hasAlert(wanted, its) {
  if (!wanted) return true;
  if (wanted === "none") return !its;
  return Boolean(its) && (wanted === "any" || Boolean(its?.severities.has(wanted)));
}

/** @param {string} text */
function wordsOf(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/**
 * @param {string} text
 * @param {string[]} words
 */
function finds(text, words) {
  return words.every((word) => text.includes(word));
}

/** @param {Machine} machine */
function textOf(machine) {
  const { facts, tags } = machine;
  const known = texts.get(machine);
  if (known && known.facts === facts && known.tags === tags) return known.text;
  // A line each, so that no word is found across two of them.
  const text = [machine.name, ...tags, ...Object.values(facts)].join("\n").toLowerCase();
  texts.set(machine, { facts, tags, text });
  return text;
}
