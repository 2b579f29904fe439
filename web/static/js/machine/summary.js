// @ts-check
/** The figures at the head of a machine's page: what it does right now. */

import { element, setAttribute, setText } from "../page/dom.js";
import { cores, fullest, single, traffic } from "../live/figures.js";
import { Meter } from "../page/meter.js";
import { writtenUnit } from "../page/preferences.js";
import { counted, duration, format } from "../page/units.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** @typedef {import("../live/thresholds.js").Thresholds} Thresholds */
/**
 * A figure: its text, what is written small beside it, and what its meter shows (without one where undefined).
 * @typedef {{text: string, beside?: string, gauge?: import("../live/limits.js").Gauge}} Reading
 */

/** @type {[label: string, read: (machine: Machine, thresholds: Thresholds) => Reading][]} */
const FIGURES = [
  ["CPU", (machine, thresholds) => share(machine, thresholds, "cpu.percent", "")],
  ["Memory", (machine, thresholds) => share(machine, thresholds, "memory.percent", memoryOf(machine))],
  ["Fullest disk", diskOf],
  ["Received", (machine) => trafficOf(machine, "network.received")],
  ["Sent", (machine) => trafficOf(machine, "network.sent")],
  ["Load", loadOf],
  ["Processes", (machine) => ({ text: format(single(machine, "system.processes"), "count") })],
  ["Uptime", (machine) => ({ text: duration(single(machine, "system.uptime")) })],
];

/**
 * @param {Machine} machine
 * @param {Thresholds} thresholds
 * @param {string} metric of a single series, in percent
 * @param {string} beside
 * @returns {Reading}
 */
function share(machine, thresholds, metric, beside) {
  const percent = single(machine, metric);
  return { text: format(percent, "percent"), beside, gauge: thresholds.gauge(machine, metric, "", percent) };
}

/**
 * @param {Machine} machine
 * @param {Thresholds} thresholds
 * @returns {Reading}
 */
function diskOf(machine, thresholds) {
  const { mount, percent } = fullest(machine) ?? { mount: "", percent: null };
  const gauge = thresholds.gauge(machine, "filesystem.percent", mount, percent);
  return { text: format(percent, "percent"), beside: mount, gauge };
}

/**
 * @param {Machine} machine
 * @param {"network.received" | "network.sent"} metric
 * @returns {Reading}
 */
function trafficOf(machine, metric) {
  return { text: format(traffic(machine, metric), writtenUnit(metric, "bytes/s")) };
}

/** @param {Machine} machine */
function memoryOf(machine) {
  const total = single(machine, "memory.total");
  return total === null ? "" : `of ${format(total, "bytes")}`;
}

/**
 * @param {Machine} machine
 * @param {Thresholds} thresholds
 * @returns {Reading}
 */
function loadOf(machine, thresholds) {
  const load = single(machine, "system.load1");
  const number = cores(machine);
  const beside = number ? `on ${counted(number, "core")}` : "";
  const gauge = thresholds.gauge(machine, "system.load1", "", load, number);
  return { text: load === null ? format(null, "count") : load.toFixed(2), beside, gauge };
}

export class Summary {
  /**
   * @param {HTMLElement} list a <dl>
   * @param {Thresholds} thresholds
   */
  constructor(list, thresholds) {
    this.thresholds = thresholds;
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
      const reading = read(machine, this.thresholds);
      setText(value, reading.text);
      setText(beside, reading.beside ?? "");
      setAttribute(beside, "title", reading.beside ?? "");
      meter.element.hidden = reading.gauge === undefined;
      if (reading.gauge) meter.set(reading.gauge);
    }
  }
}
