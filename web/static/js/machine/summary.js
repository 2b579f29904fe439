// @ts-check
/** The figures at the head of a machine's page: what it does right now. */

import { element, setText } from "../page/dom.js";
import { fullest, single, traffic } from "../live/figures.js";
import { Meter } from "../page/meter.js";
import { duration, format } from "../page/units.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/**
 * A figure: its text, what is written small beside it, and how full its meter is (without one where undefined).
 * @typedef {{text: string, beside?: string, percent?: number | null}} Reading
 */

/** @type {[label: string, read: (machine: Machine) => Reading][]} */
const FIGURES = [
  ["CPU", (machine) => share(single(machine, "cpu.percent"), "")],
  ["Memory", (machine) => share(single(machine, "memory.percent"), memoryOf(machine))],
  ["Fullest disk", (machine) => share(fullest(machine)?.percent ?? null, fullest(machine)?.mount ?? "")],
  ["Received", (machine) => ({ text: format(traffic(machine, "network.received"), "bytes/s") })],
  ["Sent", (machine) => ({ text: format(traffic(machine, "network.sent"), "bytes/s") })],
  ["Load", loadOf],
  ["Processes", (machine) => ({ text: format(single(machine, "system.processes"), "count") })],
  ["Uptime", (machine) => ({ text: duration(single(machine, "system.uptime")) })],
];

/**
 * @param {number | null} percent
 * @param {string} beside
 * @returns {Reading}
 */
function share(percent, beside) {
  return { text: format(percent, "percent"), beside, percent };
}

/** @param {Machine} machine */
function memoryOf(machine) {
  const total = single(machine, "memory.total");
  return total === null ? "" : `of ${format(total, "bytes")}`;
}

/**
 * @param {Machine} machine
 * @returns {Reading}
 */
function loadOf(machine) {
  const load = single(machine, "system.load1");
  const cores = machine.layout?.positions.get("cpu.core_percent")?.length;
  return { text: load === null ? format(null, "count") : load.toFixed(2), beside: cores ? `on ${cores} cores` : "" };
}

export class Summary {
  /** @param {HTMLElement} list a <dl> */
  constructor(list) {
    this.figures = FIGURES.map(([label, read]) => {
      const value = element("b", {});
      const beside = element("small", {});
      const meter = new Meter();
      const box = element("div", {}, element("dt", {}, label), element("dd", {}, value, beside, meter.element));
      return { box, value, beside, meter, read };
    });
    list.replaceChildren(...this.figures.map(({ box }) => box));
  }

  /** @param {Machine} machine */
  update(machine) {
    for (const { value, beside, meter, read } of this.figures) {
      const reading = read(machine);
      setText(value, reading.text);
      setText(beside, reading.beside ?? "");
      meter.element.hidden = reading.percent === undefined;
      meter.set(reading.percent ?? null);
    }
  }
}
