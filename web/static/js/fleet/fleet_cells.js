// @ts-check
/** What a row in view shows beside its name. There are only as many of these as rows in view: one after the other borrows them. */

import { cores, fullest, single, traffic } from "../live/figures.js";
import { clockText } from "../live/machine_clock.js";
import { TRACE_SAMPLES } from "../live/ring.js";
import { element, setAttribute, setText, show } from "../page/dom.js";
import { Meter } from "../page/meter.js";
import { writtenUnit } from "../page/preferences.js";
import { Sparkline } from "../page/sparkline.js";
import { StateBadge } from "../page/state_badge.js";
import { Tags } from "../page/tags.js";
import { duration, format } from "../page/units.js";
import { COLUMNS } from "./columns.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

const MOST_TAGS = 3;
/** Sparklines of quiet machines stay low. */
const TRAFFIC_TOP = 100 * 1024;

export class FleetCells {
  /** @param {import("../live/thresholds.js").Thresholds} thresholds */
  constructor(thresholds) {
    this.thresholds = thresholds;
    this.tags = new Tags(element("ul", { class: "tags", "aria-label": "Tags", hidden: "" }), MOST_TAGS);
    this.badge = new StateBadge();
    this.clock = element("span", { class: "clock-mark", role: "img", hidden: "" });
    // It lies above the row's link.
    this.clock.addEventListener("click", () => this.clock.closest(".fleet-row")?.querySelector("a")?.click());
    this.alerts = element("span", { class: "alert-mark" });
    this.cpu = new Measure("cpu");
    this.memory = new Measure("memory");
    this.load = new Measure("load");
    this.disk = new Measure("disk");
    this.received = element("b", {});
    this.sent = element("b", {});
    this.traffic = new Sparkline();
    this.trafficMeter = new Meter();
    this.uptime = element("b", {});
    this.elements = [
      cell("state", this.badge.element, this.clock),
      cell("alert", this.alerts),
      this.cpu.element,
      this.memory.element,
      this.disk.element,
      cell("network", this.traffic.element, rates(this.received, this.sent), this.trafficMeter.element),
      this.load.element,
      cell("uptime", this.uptime),
    ];
  }

  /**
   * @param {Machine} machine
   * @param {number} now seconds since 1970
   * @param {import("./machine_alerts.js").MachineAlerts | undefined} alerts
   */
  write(machine, now, alerts) {
    this.badge.update(machine, now);
    this.writeClock(machine);
    this.tags.update(machine.tags);
    setAttribute(this.alerts, "data-severity", alerts?.worst ?? "");
    setText(this.alerts, alerts ? `${alerts.count} ${alerts.worst}` : "");
    const { thresholds } = this;
    const [cpu, memory] = [single(machine, "cpu.percent"), single(machine, "memory.percent")];
    this.cpu.write(format(cpu, "percent"), "", thresholds.gauge(machine, "cpu.percent", "", cpu));
    this.memory.write(format(memory, "percent"), "", thresholds.gauge(machine, "memory.percent", "", memory));
    this.writeLoad(machine);
    const { mount, percent } = fullest(machine) ?? { mount: "", percent: null };
    this.disk.write(format(percent, "percent"), mount, thresholds.gauge(machine, "filesystem.percent", mount, percent));
    this.writeNetwork(machine);
    setText(this.uptime, duration(single(machine, "system.uptime")));
  }

  /** A mark if its clock is off. @param {Machine} machine */
  writeClock(machine) {
    const off = clockText(machine);
    setAttribute(this.clock, "title", off);
    setAttribute(this.clock, "aria-label", off);
    show(this.clock, off !== "");
  }

  /** Relative to its processors, if they are known. @param {Machine} machine */
  writeLoad(machine) {
    const load = single(machine, "system.load1");
    const number = cores(machine);
    const text = load === null ? format(null, "count") : load.toFixed(2);
    this.load.write(text, number ? `/ ${number}` : "", this.thresholds.gauge(machine, "system.load1", "", load, number));
  }

  /** A rate has no natural end: without a rule that gives it one there is no meter. @param {Machine} machine */
  writeNetwork(machine) {
    setText(this.received, rate(machine, "network.received"));
    setText(this.sent, rate(machine, "network.sent"));
    const gauge = this.thresholds.trafficGauge(machine);
    show(this.trafficMeter.element, gauge !== null);
    if (gauge) this.trafficMeter.set(gauge);
  }

  /** @param {Machine} machine */
  draw(machine) {
    const { interval } = machine;
    const seconds = TRACE_SAMPLES * interval;
    this.cpu.spark.draw(machine.cpuTrace, seconds, interval, 100);
    this.memory.spark.draw(machine.memoryTrace, seconds, interval, 100);
    this.disk.spark.draw(machine.diskTrace, seconds, interval, 100);
    this.traffic.draw(machine.trafficTrace, seconds, interval, TRAFFIC_TOP);
    this.load.spark.draw(machine.loadTrace, seconds, interval, cores(machine) ?? 1);
  }

  /** Only how long it has been silent changes by itself. @param {Machine} machine @param {number} now seconds since 1970 */
  tick(machine, now) {
    this.badge.update(machine, now);
  }
}

/** A number with its sparkline and its meter. */
class Measure {
  /** @param {"cpu" | "memory" | "disk" | "load"} column */
  constructor(column) {
    this.spark = new Sparkline();
    this.text = element("b", {});
    this.beside = element("small", {});
    this.meter = new Meter();
    const value = element("span", { class: "value" }, this.text, this.beside);
    this.element = cell(column, this.spark.element, value, this.meter.element);
  }

  /**
   * @param {string} text
   * @param {string} beside
   * @param {import("../live/limits.js").Gauge} gauge
   */
  write(text, beside, gauge) {
    setText(this.text, text);
    setText(this.beside, beside);
    this.meter.set(gauge);
  }
}

/**
 * @param {import("./fleet_choice.js").Sort} column
 * @param {...Node} children
 */
function cell(column, ...children) {
  const [, title, short] = COLUMNS.find(([sort]) => sort === column) ?? ["", "", ""];
  return element("div", { role: "cell", class: `cell-${column}`, "data-name": short ?? title }, ...children);
}

/**
 * @param {Node} received
 * @param {Node} sent
 */
function rates(received, sent) {
  const one = (/** @type {string} */ arrow, /** @type {string} */ said, /** @type {Node} */ value) => {
    const sign = element("span", { class: "arrow", "aria-hidden": "true" }, arrow);
    return element("span", {}, sign, element("span", { class: "only-read" }, said), value);
  };
  return element("span", { class: "rates" }, one("↓", "received ", received), one("↑", "sent ", sent));
}

/**
 * @param {Machine} machine
 * @param {"network.received" | "network.sent"} metric
 */
function rate(machine, metric) {
  return format(traffic(machine, metric), writtenUnit(metric, "bytes/s"));
}
