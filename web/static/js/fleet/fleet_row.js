// @ts-check
/** One machine in the list: its state and the few numbers that sum it up. */

import { element, setAttribute, setText } from "../page/dom.js";
import { linkTo } from "../page/here.js";
import { fullest, single, traffic } from "../live/figures.js";
import { Meter } from "../page/meter.js";
import { TRACE_SAMPLES } from "../live/ring.js";
import { drawSparkline } from "../page/sparkline.js";
import { StateBadge } from "../page/state_badge.js";
import { Tags } from "../page/tags.js";
import { duration, format } from "../page/units.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

export const COLUMNS = ["Machine", "CPU", "Memory", "Fullest disk", "Network", "Load", "Uptime"];
const MOST_TAGS = 3;
/** Sparklines of quiet machines stay low. */
const TRAFFIC_TOP = 100 * 1024;

export class FleetRow {
  /**
   * @param {Machine} machine
   * @param {import("../live/thresholds.js").Thresholds} thresholds
   */
  constructor(machine, thresholds) {
    this.machine = machine;
    this.thresholds = thresholds;
    this.visible = false;
    this.dirty = true;
    /** What its traces were last filled for, "" if never. */
    this.filledFor = "";
    /** Not to be filled before this, in milliseconds of Date.now(): asked already, or without an answer just now. */
    this.fillAfter = 0;
    this.badge = new StateBadge();
    this.tags = new Tags(element("ul", { class: "tags", "aria-label": "Tags", hidden: "" }), MOST_TAGS);
    this.cpu = element("b", {});
    this.cpuSpark = element("canvas", { class: "spark", "aria-hidden": "true" });
    this.memory = element("b", {});
    this.memoryMeter = new Meter();
    this.disk = element("b", {});
    this.diskMount = element("small", {});
    this.diskMeter = new Meter();
    this.received = element("b", {});
    this.sent = element("b", {});
    this.trafficSpark = element("canvas", { class: "spark", "aria-hidden": "true" });
    this.load = element("b", {});
    this.uptime = element("b", {});
    this.link = linkTo({ page: "machine", machine: machine.name }, machine.name);
    this.element = this.build();
  }

  build() {
    const arrow = (/** @type {string} */ text, /** @type {string} */ said) =>
      element("span", { class: "arrow" }, element("span", { "aria-hidden": "true" }, text), hiddenText(said));
    const rates = element(
      "span",
      { class: "rates" },
      element("span", {}, arrow("↓", "received "), this.received),
      element("span", {}, arrow("↑", "sent "), this.sent),
    );
    const contents = [
      [this.link, this.badge.element, this.tags.element],
      [this.cpuSpark, this.cpu],
      [this.memoryMeter.element, this.memory],
      [this.diskMeter.element, this.disk, this.diskMount],
      [this.trafficSpark, rates],
      [this.load],
      [this.uptime],
    ];
    const cells = contents.map((nodes, at) =>
      element("div", { role: "cell", class: `cell-${at}`, "data-name": COLUMNS[at] }, ...nodes),
    );
    return element("div", { role: "row", class: "fleet-row", "data-machine": this.machine.name }, ...cells);
  }

  /**
   * @param {number} now seconds since 1970
   * @param {string} severity of the worst alert that fires, or ""
   */
  update(now, severity) {
    this.dirty = true;
    setAttribute(this.element, "data-alert", severity);
    if (this.visible) this.draw(now);
  }

  /** @param {number} now seconds since 1970 */
  draw(now) {
    const { machine } = this;
    this.dirty = false;
    setAttribute(this.element, "data-state", machine.state);
    this.badge.update(machine, now);
    this.tags.update(machine.tags);
    setText(this.cpu, format(single(machine, "cpu.percent"), "percent"));
    const memory = single(machine, "memory.percent");
    setText(this.memory, format(memory, "percent"));
    this.memoryMeter.set(this.thresholds.gauge(machine, "memory.percent", "", memory));
    const { mount, percent } = fullest(machine) ?? { mount: "", percent: null };
    setText(this.disk, format(percent, "percent"));
    setText(this.diskMount, mount);
    this.diskMeter.set(this.thresholds.gauge(machine, "filesystem.percent", mount, percent));
    setText(this.received, format(traffic(machine, "network.received"), "bytes/s"));
    setText(this.sent, format(traffic(machine, "network.sent"), "bytes/s"));
    const load = single(machine, "system.load1");
    setText(this.load, load === null ? format(null, "count") : load.toFixed(2));
    setText(this.uptime, duration(single(machine, "system.uptime")));
    this.drawTraces();
  }

  drawTraces() {
    const { interval, cpuTrace, trafficTrace } = this.machine;
    const seconds = TRACE_SAMPLES * interval;
    drawSparkline(this.cpuSpark, cpuTrace, seconds, interval, 100, 0);
    drawSparkline(this.trafficSpark, trafficTrace, seconds, interval, TRAFFIC_TOP, 2);
  }

  /** Only how long it has been silent changes by itself. @param {number} now seconds since 1970 */
  tick(now) {
    if (this.visible && this.machine.state === "silent") this.badge.update(this.machine, now);
  }
}

/** @param {string} text */
function hiddenText(text) {
  return element("span", { class: "only-read" }, text);
}
