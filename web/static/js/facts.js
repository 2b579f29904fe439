// @ts-check
/** What a machine says of itself: system, kernel, processor, addresses. */

import { element } from "./dom.js";
import { dateTime, format } from "./units.js";

/** @typedef {import("./store.js").Machine} Machine */

/** @type {[fact: string, label: string][]} */
const KNOWN = [
  ["os", "System"],
  ["kernel", "Kernel"],
  ["cpu", "Processor"],
  ["cores", "Cores"],
  ["memory", "Memory"],
  ["architecture", "Architecture"],
  ["virtualization", "Runs in"],
  ["boot_time", "Booted"],
  ["hostname", "Host name"],
  ["addresses", "Addresses"],
];

/**
 * Label and text of each fact, those that are known first.
 * @param {Machine} machine
 * @returns {[label: string, text: string][]}
 */
export function factsOf(machine) {
  const known = new Set(KNOWN.map(([fact]) => fact));
  const named = KNOWN.filter(([fact]) => machine.facts[fact]);
  const rest = Object.keys(machine.facts)
    .filter((fact) => !known.has(fact) && machine.facts[fact] !== machine.name)
    .sort();
  const agent = `${machine.agentVersion}, every ${format(machine.interval, "seconds")}`;
  return [
    ...named
      .map(([fact, label]) => /** @type {[string, string]} */ ([label, factText(fact, machine.facts[fact])]))
      .filter(([, text]) => text !== ""),
    ["Collector", agent],
    ...rest.map((fact) => /** @type {[string, string]} */ ([fact.replaceAll("_", " "), machine.facts[fact]])),
  ];
}

/**
 * @param {string} fact
 * @param {string} text
 */
function factText(fact, text) {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : null;
  if (number === null) return fact === "boot_time" ? "" : text;
  if (fact === "boot_time") return dateTime(number);
  return fact === "memory" ? format(number, "bytes") : text;
}

/**
 * @param {HTMLElement} list a <dl>
 * @param {Machine} machine
 */
export function drawFacts(list, machine) {
  const rows = factsOf(machine).map(([label, text]) =>
    element("div", {}, element("dt", {}, label), element("dd", {}, text)),
  );
  list.replaceChildren(...rows);
}
