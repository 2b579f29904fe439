/** gaps.js: the times in which a machine told nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asFarAsTold, holesAt, holesOf, sayHoles, withLost } from "../../web/static/js/chart/gaps.js";
import { Timeline } from "../../web/static/js/chart/timeline.js";

/** A timeline of samples as they come live, every 5 s. */
function timelineOf(...times) {
  const timeline = new Timeline(5);
  for (const time of times) timeline.add({ time, values: [["cpu.percent ", 1]] });
  return timeline;
}

test("between samples that are too far apart there is a hole", () => {
  const timeline = timelineOf(100, 105, 200, 205);
  assert.deepEqual(holesOf(timeline, 206, null, 90), [{ from: 105, to: 200 }]);
  assert.deepEqual(holesOf(timelineOf(100, 105, 110), 111, null, 90), []);
});

test("a value that was not read is a hole like a sample that is missing", () => {
  const timeline = timelineOf(100, 105);
  for (const time of [110, 115, 120]) timeline.add({ time, values: [["cpu.percent ", null]] });
  timeline.add({ time: 125, values: [["cpu.percent ", 1]] });
  assert.deepEqual(holesOf(timeline, 126, null, 90), [{ from: 105, to: 125 }]);
});

test("who is silent has a hole up to the present, but not at once", () => {
  assert.deepEqual(holesOf(timelineOf(100), 115, null, 90), []);
  assert.deepEqual(holesOf(timelineOf(100), 200, null, 90), [{ from: 100, to: 200 }]);
  assert.deepEqual(holesOf(timelineOf(), 200, null, 90), []);
});

test("the time before the first sample is a hole if the machine was known then", () => {
  assert.deepEqual(holesOf(timelineOf(200), 201, 50, 100), [{ from: 100, to: 200 }]);
  assert.deepEqual(holesOf(timelineOf(200), 201, 150, 100), [{ from: 150, to: 200 }]);
  assert.deepEqual(holesOf(timelineOf(200), 201, 195, 100), []);
});

test("buckets have holes from edge to edge", () => {
  const timeline = new Timeline(5);
  const values = [1, null, null, null, 1];
  const series = [{ instance: "", min: values, mean: values, max: values }];
  const times = [100, 110, 120, 130, 140];
  timeline.load([{ metric: "m", times, series, step_seconds: 10, to: 150 }], []);
  assert.deepEqual(holesOf(timeline, 150, null, 100), [{ from: 110, to: 140 }]);
});

test("what is known to be lost is said, where the cursor is", () => {
  const holes = [{ from: 100, to: 700 }];
  const lost = [
    { from: 90, to: 400, frames: 60, reason: "shed" },
    { from: 400, to: null, frames: 1, reason: "shed" },
    { from: 800, to: 900, frames: 5, reason: "damaged" },
  ];
  const said = (lost, time) => sayHoles(holesAt(holes, time, 3), lost);
  assert.equal(said(lost, 300), "no data for 10 min: 61 samples given up by a full spool");
  assert.equal(said([], 702), "no data for 10 min");
  assert.equal(said(lost, 750), "");
});

test("what is lost within a bucket is a hole of its own, unless it is a part of one", () => {
  const holes = [{ from: 1000, to: 2000 }];
  const lost = [
    { from: 1200, to: 1300, frames: 20, reason: "shed" },
    { from: 500, to: 620, frames: 24, reason: "damaged" },
    { from: 600, to: 640, frames: 8, reason: "damaged" },
    { from: 700, to: null, frames: 1, reason: "unknown" },
    { from: null, to: null, frames: 7, reason: "unknown" },
    { from: 5000, to: 5100, frames: 20, reason: "shed" },
  ];
  const all = withLost(holes, lost, 0, 3000);
  assert.deepEqual(all, [{ from: 500, to: 640, inside: true }, { from: 700, to: 700, inside: true }, { from: 1000, to: 2000 }]);
  const said = (time, near) => sayHoles(holesAt(all, time, near), lost);
  assert.equal(said(600, 5), "no data for 2 min: 32 samples damaged in the spool");
  assert.equal(said(698, 5), "1 sample lost");
  assert.equal(said(680, 60), "no data for 2 min in 2 gaps: 33 samples damaged in the spool");
  assert.equal(said(1990, 0), "no data for 16 min: 20 samples given up by a full spool");
});

test("nothing is missing of a time that nobody has told of", () => {
  const timeline = timelineOf(1000);
  timeline.load([{ metric: "m", times: [1000, 1005], series: [series(1, 1)], step_seconds: 5, from: 900, to: 1100 }], []);
  const said = () => asFarAsTold(holesOf(timeline, 1400, 0, 500), timeline.told);
  assert.deepEqual(said(), [{ from: 900, to: 1002.5 }, { from: 1007.5, to: 1100 }]);
  timeline.add({ time: 1300, values: [["m ", 1]] });
  assert.deepEqual(said(), [{ from: 900, to: 1002.5 }, { from: 1007.5, to: 1100 }, { from: 1300, to: 1400 }]);
  timeline.interrupt();
  assert.deepEqual(said().at(-1), { from: 1007.5, to: 1100 });
});

test("what follows on history live is told without a break, until the page misses something", () => {
  const timeline = new Timeline(5);
  const history = { metric: "m", times: [1000, 1005], series: [series(1, 1)], step_seconds: 5, from: 1000, to: 1010 };
  timeline.load([history], [{ time: 1200, values: [["m ", 1]] }]);
  timeline.follow();
  const said = (present) => asFarAsTold(holesOf(timeline, present, null, 1000), timeline.told);
  assert.deepEqual(said(1201), [{ from: 1007.5, to: 1200 }]);
  timeline.interrupt();
  timeline.add({ time: 1400, values: [["m ", 1]] });
  assert.deepEqual(said(1401), [{ from: 1007.5, to: 1200 }]);
});

/** A series of a history that has these values. */
function series(...values) {
  return { instance: "", min: values, mean: values, max: values };
}
