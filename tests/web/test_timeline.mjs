/** timeline.js and drawn.js: history and live samples joined, gaps kept, bands, stacks and mirrors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { columnRoles, columnsOf, filledBetween, isCrowded } from "../../web/static/js/chart/drawn.js";
import { busiest, newestReadings, readingsAt } from "../../web/static/js/chart/readings.js";
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

test("a series that has vanished goes when its last value leaves the range, and comes back with a new one", () => {
  const timeline = new Timeline(5);
  timeline.load([history(60, [0, 60], [1, 2], 120)], []);
  for (const time of [121, 181, 241]) timeline.add({ time, values: [[`cgroup.cpu run-${time}`, 1]] });
  timeline.trim(100);
  assert.deepEqual([...timeline.columns.keys()], [KEY, "cgroup.cpu run-121", "cgroup.cpu run-181", "cgroup.cpu run-241"]);
  timeline.trim(200);
  assert.deepEqual([...timeline.columns.keys()], ["cgroup.cpu run-181", "cgroup.cpu run-241"]);
  timeline.add({ time: 250, values: [[KEY, 3], ["cgroup.cpu run-181", null]] });
  timeline.trim(250);
  assert.deepEqual([...timeline.columns.keys()].sort(), ["cgroup.cpu run-241", KEY]);
  assert.deepEqual(means(timeline), [null, null, null, null, 3].slice(-timeline.times.length));
});

test("without history a long range is bounded, and spikes and gaps are kept", () => {
  const timeline = new Timeline(1);
  let longest = 0;
  for (let time = 0; time < 100_000; time += 1) {
    if (time > 40_000 && time < 50_000) continue;
    timeline.add(row(time, time === 7000 ? 100 : 1));
    longest = Math.max(longest, timeline.times.length);
  }
  assert.ok(longest <= 2001, `${longest} rows`);
  const { mean, max } = timeline.columns.get(KEY);
  assert.equal(mean.length, timeline.times.length);
  assert.equal(Math.max(...max), 100);
  assert.ok(timeline.step > 1 && Math.abs(timeline.times[max.indexOf(100)] - 7000) <= timeline.step);
  assert.ok(timeline.times.every((time, at) => !at || time - timeline.times[at - 1] <= timeline.gapAfter || mean[at] === null || mean[at - 1] === null));
  assert.equal(mean.filter((value) => value === null).length, 1);
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
  assert.deepEqual(columnsOf(filled(), roles, stack).slice(0, 2), [[1, 2], [11, null]]);
  assert.deepEqual(filledBetween(roles, stack), [{ upper: 1, lower: 0 }]);
});

const part = (roles, name, of) => roles.findIndex((role) => role.part === name && role.series === of);

test("how high one of a stack reached is drawn over those below it", () => {
  const stack = [series("a", { stacked: true }), series("b", { stacked: true })];
  const timeline = filled();
  Object.assign(timeline.columns.get("a"), { max: [9, 3] });
  Object.assign(timeline.columns.get("b"), { max: [50, null] });
  const roles = columnRoles({ form: "stack" }, stack);
  const columns = columnsOf(timeline, roles, stack);
  assert.deepEqual(columns[part(roles, "peak", 0)], [9, 3]);
  assert.deepEqual(columns[part(roles, "peak", 1)], [51, null]);
});

test("a heat map has the greatest readings", () => {
  const timeline = filled();
  timeline.columns.get("b").max = [12, null];
  assert.deepEqual(columnsOf(timeline, columnRoles({ form: "heat" }, [series("b")]), [series("b")]), [[12, null]]);
});

test("of more lines than can have a band, the outermost are drawn, without those that are hidden", () => {
  const many = [...Array(8).fill("a"), "b"].map((key) => series(key));
  const timeline = filled();
  timeline.columns.get("a").max = [3, 2];
  timeline.columns.get("b").max = [99, null];
  const roles = columnRoles({ form: "lines" }, many);
  assert.ok(isCrowded(roles) && !isCrowded(columnRoles({ form: "lines" }, many.slice(1))));
  const crest = part(roles, "crest", -1);
  assert.deepEqual(columnsOf(timeline, roles, many)[crest], [99, 2]);
  assert.deepEqual(columnsOf(timeline, roles, many, new Set([8]))[crest], [3, 2]);
  const mirror = many.map((one, at) => ({ ...one, down: at === 8 }));
  const both = columnRoles({ form: "mirror" }, mirror);
  const columns = columnsOf(timeline, both, mirror);
  assert.deepEqual([columns[part(both, "crest", -1)], columns[part(both, "trough", -1)]], [[3, 2], [-99, null]]);
});

test("the legend has the greatest reading beside the mean, where they are not of one sample", () => {
  const timeline = new Timeline(5);
  timeline.load([history(60, [0, 60, 120], [10, 20, 10])], []);
  const one = [series(KEY)];
  assert.deepEqual(readingsAt(timeline, one, 1), [{ mean: 20, max: 21 }]);
  assert.deepEqual(newestReadings(timeline, one, 0), [{ mean: 10, max: 21 }]);
  assert.deepEqual(newestReadings(timeline, one, 121), [{ mean: 10, max: 11 }]);
  assert.deepEqual(readingsAt(filled(), [series("b"), series("gone")], 0), [{ mean: 10, max: null }, { mean: null, max: null }]);
  assert.equal(busiest([{ mean: 5, max: 7 }, { mean: 1, max: 90 }, { mean: 30, max: null }]), 1);
  assert.equal(busiest([{ mean: null, max: null }]), null);
});

test("a mirror draws the second metric below zero, its band too", () => {
  const pair = [series("a"), series("b", { down: true })];
  const timeline = filled();
  timeline.columns.get("b").max[0] = 12;
  const roles = columnRoles({ form: "mirror" }, pair);
  const columns = columnsOf(timeline, roles, pair);
  const first = (name) => columns[part(roles, name, 1)][0];
  assert.deepEqual([first("line"), first("low"), first("high")], [-10, -12, -10]);
});
