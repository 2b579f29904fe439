// @ts-check
/** Which series a chart of one machine has: those of its layout now, and those that history knows besides. Pure. */

import { keyOf } from "../chart/timeline.js";
import { labelOf } from "./charts.js";

/** @typedef {import("./charts.js").ChartSpec} ChartSpec */
/** @typedef {import("../live/layout.js").Layout} Layout */
/** @typedef {import("../chart/timeline.js").Timeline} Timeline */

/**
 * In the order of the metrics. A disk of a chart that mirrors has one colour for both directions.
 * @param {ChartSpec} spec
 * @param {Layout | null} layout
 * @param {Timeline} timeline
 * @returns {import("../chart/drawn.js").ChartSeries[]}
 */
export function chartSeries(spec, layout, timeline) {
  const byInstance = spec.metrics.length === 1 || spec.form === "mirror";
  /** @type {string[]} */
  const instances = [];
  const found = [];
  let colours = 0;
  for (const [metricAt, [metric]] of spec.metrics.entries()) {
    for (const instance of instancesOf(metric, layout, timeline)) {
      if (!instances.includes(instance)) instances.push(instance);
      const over = spec.over?.includes(metric) ?? false;
      found.push({
        key: keyOf(metric, instance),
        label: labelOf(spec, metric, instance),
        colour: over ? -1 : byInstance ? instances.indexOf(instance) : colours++,
        down: spec.form === "mirror" && metricAt === 1,
        stacked: spec.form === "stack" && !over,
      });
    }
  }
  return found;
}

/**
 * @param {string} metric
 * @param {Layout | null} layout
 * @param {Timeline} timeline
 */
function instancesOf(metric, layout, timeline) {
  const now = (layout?.positions.get(metric) ?? []).map((position) => layout?.series[position].instance ?? "");
  const prefix = keyOf(metric, "");
  const past = [...timeline.columns.keys()].filter((key) => key.startsWith(prefix));
  return [...new Set([...now, ...past.map((key) => key.slice(prefix.length))])];
}
