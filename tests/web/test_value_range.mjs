/** value_range.js: everything that was read is on the plot. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { valueRange, withThreshold } from "../../web/static/js/chart/value_range.js";

const lines = { form: "lines" };

test("of a share nothing is free above 100, and more than that is in sight all the same", () => {
  assert.deepEqual(valueRange(lines, "percent", 0, 20, 97), [0, 100]);
  assert.deepEqual(valueRange({ ...lines, top: 100 }, "percent", 0, 20, 30), [0, 100]);
  for (const spec of [lines, { ...lines, top: 100 }]) {
    const [low, high] = valueRange(spec, "percent", 0, 220, 280);
    assert.equal(low, 0);
    assert.ok(high > 280 && high < 320);
  }
  assert.deepEqual(valueRange({ form: "heat", top: 100 }, "percent", 7, 220, 280), [0, 7]);
});

test("values below 0, and none at all, have an axis", () => {
  assert.deepEqual(valueRange(lines, "count", 0, -5, -2)[0], -5);
  const [low, high] = valueRange(lines, "count", 0, null, null);
  assert.ok(low === 0 && high > 0);
  assert.deepEqual(valueRange({ form: "mirror", atLeast: 10 }, "bytes/s", 0, null, null), [-10, 10]);
});

test("a threshold is in sight, wherever it lies", () => {
  assert.deepEqual(withThreshold([0, 50], 95, "percent"), [0, 100]);
  const [, high] = withThreshold([0, 100], 200, "percent");
  assert.ok(high > 200);
  assert.deepEqual(withThreshold([0, 10], -1, "count"), [-1, 10]);
  assert.deepEqual(withThreshold([0, 300], 200, "percent"), [0, 300]);
});
