// @ts-check
/**
 * Which charts a machine has: known families with a title, an order and a form; whatever else its layout holds gets a
 * plain chart, so that a new metric needs no change here. Pure.
 */

import { single } from "../live/figures.js";

/** @typedef {import("../live/layout.js").Layout} Layout */
/** @typedef {import("../live/machine_state.js").Machine} Machine */

/**
 * How a chart draws: `lines` with min–max bands; `stack` adds up; `mirror` draws the second metric downwards; `heat`
 * is one row per instance.
 * @typedef {"lines" | "stack" | "mirror" | "heat"} Form
 */
/**
 * One chart. `metrics` pairs a metric's name with its label in the legend. `over` are
 * limits or sums: plain lines, not stacked.
 * `top` fixes the upper end of the axis; `atLeast` is the least it can be, in the unit.
 * @typedef {{id: string, title: string, form: Form, metrics: [metric: string, label: string][], over?: string[],
 *   top?: number, atLeast?: number}} ChartSpec
 */
/** @typedef {{id: string, title: string, charts: ChartSpec[]}} Family */

/** @type {Family[]} */
const KNOWN = [
  {
    id: "cpu",
    title: "CPU",
    charts: [
      {
        id: "cpu",
        title: "CPU",
        form: "stack",
        metrics: [
          ["cpu.percent", "all"],
          ["cpu.user", "user"],
          ["cpu.system", "system"],
          ["cpu.iowait", "I/O wait"],
          ["cpu.steal", "steal"],
        ],
        over: ["cpu.percent"],
        top: 100,
      },
      { id: "cores", title: "Cores", form: "heat", metrics: [["cpu.core_percent", ""]], top: 100 },
    ],
  },
  {
    id: "load",
    title: "Load and pressure",
    charts: [
      {
        id: "load",
        title: "Load",
        form: "lines",
        metrics: [
          ["system.load1", "1 min"],
          ["system.load5", "5 min"],
          ["system.load15", "15 min"],
        ],
        atLeast: 1,
      },
      {
        id: "pressure",
        title: "Pressure",
        form: "lines",
        metrics: [
          ["pressure.cpu_some", "CPU"],
          ["pressure.memory_some", "memory"],
          ["pressure.memory_full", "memory, all stalled"],
          ["pressure.io_some", "I/O"],
          ["pressure.io_full", "I/O, all stalled"],
        ],
        atLeast: 5,
      },
    ],
  },
  {
    id: "memory",
    title: "Memory",
    charts: [
      {
        id: "memory",
        title: "Memory",
        form: "stack",
        metrics: [
          ["memory.used", "used"],
          ["memory.cached", "caches"],
          ["memory.total", "total"],
        ],
        over: ["memory.total"],
      },
      {
        id: "swap",
        title: "Swap",
        form: "lines",
        metrics: [
          ["memory.swap_used", "used"],
          ["memory.swap_total", "total"],
        ],
        over: ["memory.swap_total"],
        atLeast: 2 ** 20,
      },
    ],
  },
  {
    id: "disk",
    title: "Disks",
    charts: [
      {
        id: "disk",
        title: "Disk read ↑ written ↓",
        form: "mirror",
        metrics: [
          ["disk.read", "read"],
          ["disk.written", "written"],
        ],
        atLeast: 2 ** 12,
      },
      { id: "busy", title: "Disk busy", form: "lines", metrics: [["disk.busy", ""]], atLeast: 10 },
      { id: "filesystem", title: "Filesystems", form: "lines", metrics: [["filesystem.percent", ""]], top: 100 },
      { id: "inodes", title: "Inodes", form: "lines", metrics: [["filesystem.inodes_percent", ""]], top: 100 },
    ],
  },
  {
    id: "network",
    title: "Network",
    charts: [
      {
        id: "network",
        title: "Network received ↑ sent ↓",
        form: "mirror",
        metrics: [
          ["network.received", "received"],
          ["network.sent", "sent"],
        ],
        atLeast: 2 ** 10,
      },
      {
        id: "connections",
        title: "Connections",
        form: "lines",
        metrics: [
          ["network.connections", "all"],
          ["network.tcp_established", "TCP established"],
        ],
        atLeast: 4,
      },
      {
        id: "faults",
        title: "Network errors and drops",
        form: "lines",
        metrics: [
          ["network.receive_errors", "receive errors"],
          ["network.send_errors", "send errors"],
          ["network.receive_drops", "receive drops"],
          ["network.send_drops", "send drops"],
        ],
        atLeast: 1,
      },
    ],
  },
  {
    id: "system",
    title: "System",
    charts: [
      { id: "processes", title: "Processes", form: "lines", metrics: [["system.processes", "processes"]] },
      {
        id: "switches",
        title: "Context switches",
        form: "lines",
        metrics: [["system.context_switches", "switches"]],
        atLeast: 100,
      },
    ],
  },
];

/** What the collector says of itself comes last. @type {Family[]} */
const KNOWN_LAST = [
  {
    id: "agent",
    title: "Collector",
    charts: [
      { id: "probe-duration", title: "Time taken by probes", form: "lines", metrics: [["probe.duration", ""]] },
      {
        id: "agent",
        title: "Samples waiting and lost",
        form: "lines",
        metrics: [
          ["agent.unacknowledged", "not yet acknowledged"],
          ["agent.dropped", "lost so far"],
        ],
        atLeast: 4,
      },
    ],
  },
];

/** Shown as a figure, a fact or a table, or held by another chart. */
const ELSEWHERE = new Set([
  "memory.percent",
  "memory.available",
  "memory.swap_percent",
  "filesystem.used",
  "filesystem.total",
  "system.uptime",
  "probe.success",
]);

/**
 * The families of charts that a layout has, in the order of the page; charts keep only metrics that are there.
 * @param {Layout} layout
 * @param {string[]} [without] ids of charts that are left out
 * @returns {Family[]}
 */
export function familiesOf(layout, without = []) {
  const known = [...KNOWN, ...KNOWN_LAST].flatMap((family) => family.charts.flatMap((chart) => chart.metrics));
  const taken = new Set([...known.map(([metric]) => metric), ...ELSEWHERE]);
  const rest = [...layout.positions.keys()].filter((metric) => !taken.has(metric));
  return [...present(KNOWN, layout, without), ...plain(rest), ...present(KNOWN_LAST, layout, without)];
}

/**
 * Ids of charts that would only show that there is nothing: a machine without swap needs no chart of it.
 * @param {Machine} machine
 * @returns {string[]}
 */
export function pointlessCharts(machine) {
  return single(machine, "memory.swap_total") === 0 ? ["swap"] : [];
}

/**
 * @param {Family[]} families
 * @param {Layout} layout
 * @param {string[]} without
 * @returns {Family[]}
 */
function present(families, layout, without) {
  return families
    .map((family) => ({
      ...family,
      charts: family.charts
        .map((chart) => ({ ...chart, metrics: chart.metrics.filter(([metric]) => layout.positions.has(metric)) }))
        .filter((chart) => chart.metrics.length && !without.includes(chart.id)),
    }))
    .filter((family) => family.charts.length);
}

/**
 * A chart for each metric that no one arranged, by family.
 * @param {string[]} metrics
 * @returns {Family[]}
 */
function plain(metrics) {
  /** @type {Map<string, ChartSpec[]>} */
  const families = new Map();
  for (const metric of metrics) {
    const [family, quantity] = metric.split(".", 2);
    const charts = families.get(family) ?? [];
    families.set(family, charts);
    charts.push({ id: metric, title: words(`${family} ${quantity}`), form: "lines", metrics: [[metric, ""]] });
  }
  return [...families].map(([family, charts]) => ({ id: `family-${family}`, title: words(family), charts }));
}

/**
 * "sensor_fan speed" as "Sensor fan speed".
 * @param {string} name
 */
function words(name) {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/**
 * What the legend calls a series of a chart.
 * @param {ChartSpec} spec
 * @param {string} metric
 * @param {string} instance
 */
export function labelOf(spec, metric, instance) {
  const label = spec.metrics.find(([name]) => name === metric)?.[1] ?? "";
  if (!instance) return label || words(metric.split(".")[1]);
  return label ? `${instance} ${label}` : instance;
}
