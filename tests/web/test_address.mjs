/** address.js and what it is made of: what is looked at, as the query string keeps it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../../web/static/js/page/address.js";
import { RANGES, drawnSpan, panned, zoomed } from "../../web/static/js/time/time_choice.js";

const PLAIN = parse("", null, false);
const again = (view) => parse(format(view), null, false);

test("every view comes back from its address", () => {
  for (const machine of ["web1", "a.b-c_d", "<img src=x>&machine=other"]) {
    for (const last of Object.keys(RANGES)) {
      const view = { ...PLAIN, page: "machine", machine, time: { last, fixed: null, utc: false } };
      assert.deepEqual(again(view), view);
    }
  }
  const time = { last: "6h", fixed: [1764482400, 1764486000], utc: true };
  const fleet = {
    text: "a&b", tags: ["prod", "rack:4"], state: "silent", alert: "critical", reboot: true, sort: "cpu", down: true, group: "rack", tiles: true,
  };
  const compare = {
    metric: "filesystem.percent", instance: "/var", machines: ["a", "b"], tags: ["prod"], shape: "heat", top: 5,
  };
  assert.deepEqual(again({ ...PLAIN, fleet, time }), { ...PLAIN, fleet, time });
  assert.deepEqual(again({ ...PLAIN, page: "compare", compare, time }), { ...PLAIN, page: "compare", compare, time });
  assert.deepEqual(again({ ...PLAIN, page: "alerts", time }), { ...PLAIN, page: "alerts", time });
});

test("the plain address is the fleet", () => {
  assert.equal(PLAIN.page, "fleet");
  assert.deepEqual(PLAIN.time, { last: "15m", fixed: null, utc: false });
  assert.equal(format(PLAIN), "./");
});

test("a fixed range is written to the second, and read as ISO 8601 or seconds", () => {
  const view = { ...PLAIN, page: "alerts", time: { last: "15m", fixed: [0, 90], utc: false } };
  assert.equal(format(view), "?view=alerts&from=1970-01-01T00%3A00%3A00Z&to=1970-01-01T00%3A01%3A30Z");
  assert.deepEqual(parse("?from=0&to=90.5", null, false).time.fixed, [0, 90.5]);
});

test("nonsense is left at its default", () => {
  for (const last of ["9y", "", "toString", "__proto__"]) {
    assert.equal(parse(`?last=${last}`, null, false).time.last, "15m");
  }
  for (const range of ["from=5", "from=9&to=5", "from=x&to=y", "from=1&to=99999999999", "from=-5&to=5"]) {
    assert.equal(parse(`?${range}`, null, false).time.fixed, null, range);
  }
  assert.equal(parse("?machine=", null, false).page, "fleet");
  assert.equal(parse("?view=constructor", null, false).page, "fleet");
  const { fleet } = parse("?state=odd&alert=odd&sort=odd", null, false);
  assert.deepEqual([fleet.state, fleet.alert, fleet.sort], ["", "", "name"]);
  for (const top of ["0", "-1", "x", "1e9"]) assert.ok(parse(`?view=compare&top=${top}`, null, false).compare.top <= 50);
});

test("what another page has chosen is still there on the way back", () => {
  const fleet = parse("?q=web&sort=cpu", null, false);
  const machine = parse("?machine=web1", fleet, false);
  assert.deepEqual(machine.fleet, fleet.fleet);
  assert.equal(format({ ...machine, page: "fleet" }), "?q=web&sort=cpu");
  assert.equal(parse("", machine, false).fleet.text, "");
});

test("the zone of the address wins over the one that is preferred", () => {
  assert.equal(parse("", null, true).time.utc, true);
  assert.equal(parse("?zone=local", null, true).time.utc, false);
  assert.equal(parse("?zone=utc", null, false).time.utc, true);
});

test("a step goes by a share of the span and never past the present", () => {
  assert.deepEqual(panned([100, 200], -0.5, 1000), [50, 150]);
  assert.deepEqual(panned([100, 200], 0.5, 1000), [150, 250]);
  assert.deepEqual(panned([100, 200], 0.5, 220), [120, 220]);
  assert.deepEqual(panned([100, 200], 0.5, 150), [100, 200]);
  assert.deepEqual(panned([20, 200], -0.5, 1000), [0, 180]);
});

test("zooming keeps a moment in its place, within what shows something", () => {
  assert.deepEqual(zoomed([100, 200], 2, 150, 1000), [50, 250]);
  assert.deepEqual(zoomed([100, 200], 0.5, 125, 1000), [112.5, 162.5]);
  assert.deepEqual(zoomed([100, 200], 4, 200, 200), [0, 400]);
  assert.deepEqual(zoomed([900, 1000], 2, 950, 1000), [800, 1000]);
  const [from, to] = zoomed([100, 112], 0.1, 106, 1000);
  assert.equal(to - from, 10);
  assert.deepEqual(drawnSpan(200, 100), [100, 200]);
  assert.deepEqual(drawnSpan(100, 100.5), [95, 105]);
});
