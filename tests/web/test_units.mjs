/** units.js: numbers as people read them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { axisLabels, axisSteps, counted, duration, format } from "../../web/static/js/page/units.js";

test("bytes are binary, with three digits that matter", () => {
  assert.equal(format(0, "bytes"), "0 B");
  assert.equal(format(1023, "bytes"), "1.00 KiB");
  assert.equal(format(1536, "bytes"), "1.50 KiB");
  assert.equal(format(64 * 2 ** 30, "bytes"), "64 GiB");
  assert.equal(format(2.5 * 2 ** 20, "bytes/s"), "2.50 MiB/s");
});

test("what was not read is a dash, never a zero", () => {
  for (const unit of ["percent", "bytes", "seconds", "count", "furlongs"]) {
    assert.equal(format(null, unit), "–");
    assert.equal(format(undefined, unit), "–");
    assert.equal(format(NaN, unit), "–");
  }
});

test("percent has one decimal below a hundred", () => {
  assert.equal(format(0, "percent"), "0.0%");
  assert.equal(format(12.34, "percent"), "12.3%");
  assert.equal(format(99.96, "percent"), "100%");
});

test("seconds go from microseconds to days", () => {
  assert.equal(format(0.0000455, "seconds"), "45.5 µs");
  assert.equal(format(0.0123, "seconds"), "12.3 ms");
  assert.equal(format(7, "seconds"), "7 s");
  assert.equal(format(3 * 86400, "seconds"), "3 d");
});

test("a unit that no one knows is written behind the number", () => {
  assert.equal(format(53.25, "celsius"), "53.3 celsius");
});

test("counts are whole up to ten thousand, then short", () => {
  assert.equal(format(9999, "count"), "9999");
  assert.equal(format(12345, "count"), "12.3 k");
  assert.equal(format(2_500_000, "count/s"), "2.50 M/s");
});

test("what is small is not written as nothing", () => {
  assert.equal(format(0.00004, "count"), "0.000040");
  assert.equal(format(1 / 300, "count/s"), "0.0033/s");
  assert.equal(format(-0.0042, "count"), "-0.0042");
  assert.equal(format(0.05, "count"), "0.05");
});

test("durations are said in two units", () => {
  assert.equal(duration(59.9), "59 s");
  assert.equal(duration(3599), "59 min");
  assert.equal(duration(3600 * 4 + 60 * 5), "4 h 5 min");
  assert.equal(duration(86400 * 3), "3 d");
  assert.equal(duration(-5), "0 s");
  assert.equal(duration(null), "–");
});

test("labels of an axis share one scale, and where they are mirrored they have no sign", () => {
  assert.deepEqual(axisLabels([0, 512 * 2 ** 20, 2 ** 30, 1.5 * 2 ** 30], "bytes", false), ["0", "0.5 GiB", "1.0 GiB", "1.5 GiB"]);
  assert.deepEqual(axisLabels([-20, 0, 20], "percent", true), ["20%", "0", "20%"]);
  assert.deepEqual(axisLabels([-20, 0, 20], "percent", false), ["-20%", "0", "20%"]);
});

test("no two ticks of an axis have the same label, however small they are", () => {
  assert.deepEqual(axisLabels([0, 0.00001, 0.00002], "count", false), ["0", "0.00001", "0.00002"]);
  assert.deepEqual(axisLabels([0, 0.0025, 0.005], "percent", false), ["0", "0.0025%", "0.0050%"]);
  assert.deepEqual(axisLabels([0, 0.1, 0.2, 0.1 + 0.2], "count/s", false), ["0", "0.1/s", "0.2/s", "0.3/s"]);
  assert.deepEqual(axisLabels([0, 5000, 10000], "percent", false), ["0", "5000%", "10000%"]);
  assert.deepEqual(axisLabels([0, 100, 200], "seconds", false), ["0", "1.67 min", "3.33 min"]);
});

test("steps of an axis are powers of two for bytes", () => {
  assert.ok(axisSteps("bytes/s").every((step) => Number.isInteger(Math.log2(step))));
  assert.ok(axisSteps("percent").includes(25));
});

test("one machine is no machines", () => {
  assert.equal(counted(1, "machine"), "1 machine");
  assert.equal(counted(0, "machine"), "0 machines");
});

test("network rates are written in bits by choice, in powers of a thousand", () => {
  assert.equal(format(125, "bits/s"), "1 kbit/s");
  assert.equal(format(125_000, "bits/s"), "1 Mbit/s");
  assert.equal(format(2_000_000, "bits/s"), "16 Mbit/s");
  assert.deepEqual(axisLabels([0, 62_500, 125_000], "bits/s", false), ["0", "0.5 Mbit/s", "1.0 Mbit/s"]);
  // Ticks are round in bits, while the numbers stay bytes.
  assert.ok(axisSteps("bits/s").includes(125));
});
