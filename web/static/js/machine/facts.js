// @ts-check
/** What a machine says of itself: system, deployment, kernel, processor, addresses. */

import { element } from "../page/dom.js";
import { format } from "../page/units.js";
import { dateTime } from "../time/moments.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

/** @type {[fact: string, label: string][]} */
const KNOWN = [
  ["os", "System"],
  ["system", "Generation"],
  ["needs_reboot", "Needs a reboot"],
  ["staged", "Next boot"],
  ["revision", "Configuration"],
  ["nixos_label", "Release"],
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

/** What a reboot of a NixOS machine exchanges, as `needs_reboot` names it, and as the facts of its paths do. */
const PARTS = new Map([["kernel", "kernel"], ["initrd", "initrd"], ["kernel modules", "kernel_modules"]]);

/** What is told in the text of another fact. */
const TOLD = new Set([
  "generation",
  "specialisation",
  ...[...PARTS.values()].flatMap((part) => [`booted_${part}`, `current_${part}`]),
]);

const SHORT_REVISION = 12;

/**
 * Label and text of each fact, those that are known first.
 * @param {Machine} machine
 * @returns {[label: string, text: string][]}
 */
export function factsOf(machine) {
  const known = new Set(KNOWN.map(([fact]) => fact));
  const named = KNOWN.filter(([fact]) => machine.facts[fact]);
  const rest = Object.keys(machine.facts)
    .filter((fact) => !known.has(fact) && !TOLD.has(fact) && machine.facts[fact] !== machine.name)
    .sort();
  const agent = `${machine.agentVersion}, every ${format(machine.interval, "seconds")}`;
  return [
    ...named
      .map(([fact, label]) => /** @type {[string, string]} */ ([label, factText(fact, machine.facts)]))
      .filter(([, text]) => text !== ""),
    ["Collector", agent],
    ...rest.map((fact) => /** @type {[string, string]} */ ([fact.replaceAll("_", " "), machine.facts[fact]])),
  ];
}

/**
 * @param {string} fact
 * @param {Record<string, string>} facts
 */
function factText(fact, facts) {
  const text = facts[fact];
  if (fact === "system") return generationText(facts);
  if (fact === "needs_reboot") return text.split(", ").map((part) => partText(part, facts)).join(", ");
  if (fact === "staged") return `generation ${text}`;
  if (fact === "revision") return text.replace(/^[0-9a-f]+/, (hash) => hash.slice(0, SHORT_REVISION));
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : null;
  if (number === null) return fact === "boot_time" ? "" : text;
  if (fact === "boot_time") return dateTime(number);
  return fact === "memory" ? format(number, "bytes") : text;
}

/**
 * The generation that a NixOS machine runs. A system that was only tried has no number, so its name stands there.
 * @param {Record<string, string>} facts
 */
function generationText(facts) {
  const name = facts.generation ?? `none, ${storeName(facts.system)}`;
  return facts.specialisation ? `${name}, ${facts.specialisation}` : name;
}

/**
 * A part that a reboot would exchange, with what it is now and what it will be, where their names say it.
 * @param {string} part
 * @param {Record<string, string>} facts
 */
function partText(part, facts) {
  const [booted, current] = ["booted", "current"].map((when) => storeName(facts[`${when}_${PARTS.get(part)}`] ?? ""));
  return booted && current && booted !== current ? `${part} (${booted}, then ${current})` : part;
}

/**
 * What a path in the Nix store is called, without the hash.
 * @param {string} path
 */
function storeName(path) {
  return /\/nix\/store\/[^/-]+-([^/]+)/.exec(path)?.[1] ?? path;
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
