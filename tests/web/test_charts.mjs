/** charts.js: which charts a layout has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { familiesOf, labelOf, pointlessCharts } from "../../web/static/js/machine/charts.js";
import { waitBefore } from "../../web/static/js/live/connection.js";
import { Layout } from "../../web/static/js/live/layout.js";

const layout = (...metrics) =>
  new Layout("x", metrics.map((metric) => ({ metric, instance: "", unit: "count", kind: "gauge", instance_label: "" })));

test("a family that no one arranged still gets a chart of each of its metrics", () => {
  const families = familiesOf(layout("cpu.percent", "sensor.fan_speed", "sensor.temperature"));
  assert.deepEqual(families.map((family) => family.id), ["cpu", "family-sensor"]);
  assert.deepEqual(families[1].charts.map((chart) => chart.title), ["Sensor fan speed", "Sensor temperature"]);
});

test("a new metric of a known family is not lost", () => {
  const charts = familiesOf(layout("cpu.percent", "cpu.guest")).flatMap((family) => family.charts);
  assert.ok(charts.some((chart) => chart.metrics.some(([metric]) => metric === "cpu.guest")));
});

test("a chart has only the metrics that are there, and is left out without any", () => {
  const charts = familiesOf(layout("memory.used")).flatMap((family) => family.charts);
  assert.deepEqual(charts.map((chart) => [chart.id, chart.metrics]), [["memory", [["memory.used", "used"]]]]);
});

test("a machine without swap has no chart of it", () => {
  const swap = layout("memory.used", "memory.swap_used", "memory.swap_total");
  const charts = (total) => {
    const families = familiesOf(swap, pointlessCharts({ layout: swap, values: [1, 0, total] }));
    return families.flatMap((family) => family.charts.map((chart) => chart.id));
  };
  assert.deepEqual([charts(0), charts(null), charts(64)], [["memory"], ["memory", "swap"], ["memory", "swap"]]);
});

test("a series is named by its instance, its metric's label, or both", () => {
  const spec = { id: "x", title: "", form: "lines", metrics: [["network.sent", "sent"], ["disk.busy", ""]] };
  assert.equal(labelOf(spec, "network.sent", "eth0"), "eth0 sent");
  assert.equal(labelOf(spec, "network.sent", ""), "sent");
  assert.equal(labelOf(spec, "disk.busy", "sda"), "sda");
  assert.equal(labelOf(spec, "disk.busy", ""), "Busy");
});

test("the wait before a new attempt is jittered, grows and is bounded", () => {
  for (let attempt = 1; attempt < 40; attempt += 1) {
    const longest = waitBefore(attempt, () => 0.999999);
    assert.ok(longest <= 15000 && longest >= Math.min(14999, 500 * 2 ** attempt - 1));
    assert.equal(waitBefore(attempt, () => 0), 200);
  }
});
