/** timeline.js and drawn.js: history and live samples joined, gaps kept, bands, stacks and mirrors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { columnRoles, columnsOf, filledBetween } from "../../web/static/js/chart/drawn.js";
import { Timeline, keyOf } from "../../web/static/js/chart/timeline.js";

const KEY = keyOf("cpu.percent", "");
const history = (step, times, mean, to = times.at(-1) + step) => ({
  machine: "a", metric: "cpu.percent", unit: "percent", kind: "rate", from: times[0], to, step_seconds: step, times,
  series: [{ instance: "", min: mean.map((v) => v && v - 1), mean, max: mean.map((v) => v && v + 1) }],
});
const row = (time, value) => ({ time, values: [[KEY, value]] });
const means = (timeline) => timeline.columns.get(KEY).mean;

test("samples that follow each other have no gap, a missing stretch has one", () => {
  const timeline = new Timeline(5);
  for (const time of [100, 105, 110.4, 115, 160, 165]) timeline.add(row(time, 1));
  assert.deepEqual(means(timeline), [1, 1, 1, 1, null, 1, 1]);
  assert.deepEqual(timeline.times, [100, 105, 110.4, 115, 137.5, 160, 165]);
});

test("a value that was not read is a gap, not a zero", () => {
  const timeline = new Timeline(5);
  for (const [time, value] of [[100, 1], [105, null], [110, 1]]) timeline.add(row(time, value));
  assert.deepEqual(means(timeline), [1, null, 1]);
});

test("empty buckets of history are a gap when they are wide, and chance when one is as narrow as a sample", () => {
  const wide = new Timeline(5);
  wide.load([history(60, [0, 60, 120, 180], [1, null, 3, 4])], []);
  assert.deepEqual(means(wide), [1, null, 3, 4]);
  const narrow = new Timeline(5);
  narrow.load([history(5, [0, 5, 10, 15, 20, 25, 30], [1, null, 3, null, null, null, 7])], []);
  assert.deepEqual(means(narrow), [1, 3, null, 7]);
});

test("a live sample that history has already is not drawn twice", () => {
  const timeline = new Timeline(5);
  timeline.load([history(5, [100, 105, 110], [1, 2, 3])], [row(106, 2), row(113, 3), row(118, 4)]);
  assert.deepEqual(means(timeline), [1, 2, 3, 4]);
});

test("live samples join buckets as wide as history's, with their least and greatest", () => {
  const timeline = new Timeline(5);
  timeline.load([history(60, [0, 60], [10, 10], 120)], []);
  for (const [time, value] of [[121, 10], [126, 40], [131, 10]]) timeline.add(row(time, value));
  const column = timeline.columns.get(KEY);
  assert.deepEqual(timeline.times, [30, 90, 150]);
  assert.deepEqual([column.min[2], column.mean[2], column.max[2]], [10, 20, 40]);
});

test("a series that appears later has nothing before", () => {
  const timeline = new Timeline(5);
  timeline.add(row(100, 1));
  timeline.add({ time: 105, values: [[KEY, 2], ["disk.read sdb", 9]] });
  assert.deepEqual(timeline.columns.get("disk.read sdb").mean, [null, 9]);
});

test("trimming keeps what is in range, and all columns equally long", () => {
  const timeline = new Timeline(1);
  for (let time = 0; time < 1000; time += 1) timeline.add(row(time, time));
  timeline.trim(600);
  assert.equal(timeline.times[0], 599);
  assert.equal(means(timeline).length, timeline.times.length);
  assert.equal(means(timeline)[0], 599);
});

const series = (key, more) => ({ key, label: key, colour: 0, down: false, stacked: false, ...more });
const filled = () => {
  const timeline = new Timeline(1);
  timeline.add({ time: 1, values: [["a", 1], ["b", 10]] });
  timeline.add({ time: 2, values: [["a", 2], ["b", null]] });
  return timeline;
};

test("a stack adds up, and has a gap where a part was not read", () => {
  const stack = [series("a", { stacked: true }), series("b", { stacked: true })];
  const roles = columnRoles({ form: "stack" }, stack);
  assert.deepEqual(columnsOf(filled(), roles, stack), [[1, 2], [11, null]]);
  assert.deepEqual(filledBetween(roles, stack), [{ upper: 1, lower: 0 }]);
});

test("a mirror draws the second metric below zero, its band too", () => {
  const pair = [series("a"), series("b", { down: true })];
  const timeline = filled();
  timeline.columns.get("b").max[0] = 12;
  const roles = columnRoles({ form: "mirror" }, pair);
  const columns = columnsOf(timeline, roles, pair);
  const part = (at, name) => columns[roles.findIndex((role) => role.series === at && role.part === name)][0];
  assert.deepEqual([part(1, "line"), part(1, "low"), part(1, "high")], [-10, -12, -10]);
});
