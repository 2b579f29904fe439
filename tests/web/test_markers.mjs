/** markers.js, mark_keys.js, mark_places.js, happened.js: which events a chart marks, where, and what becomes of very many. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Happened, MOST_KEPT } from "../../web/static/js/events/happened.js";
import { headsOf, hung } from "../../web/static/js/chart/mark_places.js";
import { markByKey } from "../../web/static/js/chart/mark_keys.js";
import { countText, labelOf, meant, placed, telling } from "../../web/static/js/chart/markers.js";

let ids = 0;
const event = (time, severity = "info", kind = "machine.new", fields = {}) => ({
  id: (ids += 1), time, kind, severity, machine: "a", message: `at ${time}`, fields,
});
const activated = (time, generation) => event(time, "info", "system.activated", { generation });
/** Two pixels a second. */
const marks = (...events) => placed(events, (time) => time * 2, 300);

test("each event has its mark where it happened, from left to right", () => {
  const found = marks(event(10), event(30, "critical"), event(50, "warning"));
  assert.deepEqual(found.map(({ x, look }) => [x, look]), [[20, "info"], [60, "critical"], [100, "warning"]]);
});

test("what would touch is one mark, exactly where the gravest of it happened", () => {
  const found = marks(event(10), activated(12, "43"), event(13, "critical"), event(14, "warning"), event(30));
  assert.deepEqual(found.map(({ x, look, events }) => [x, look, events.length]), [[26, "critical", 4], [60, "info", 1]]);
  assert.deepEqual(found[0].events.map((one) => one.time), [10, 12, 13, 14]);
});

test("marks never touch, however many events there are, and none is left out", () => {
  const many = Array.from({ length: 2000 }, (_, at) => event(at / 20, ["info", "warning", "critical"][(at * 7) % 3]));
  const found = marks(...many);
  assert.ok(found.length > 3 && found.length <= 300 / 24);
  found.slice(1).forEach((mark, at) => assert.ok(mark.x - found[at].x > 9));
  assert.equal(found.reduce((sum, mark) => sum + mark.events.length, 0), 2000);
});

test("among very many events an activation keeps its mark", () => {
  const many = Array.from({ length: 150 }, (_, at) => event(at + 0.5, at % 50 ? "info" : "critical"));
  const found = marks(...many, activated(70, "43"), activated(82, "44")).filter((mark) => mark.activated);
  assert.deepEqual(found.map((mark) => [mark.x, mark.look, labelOf(mark)]), [
    [140, "activated", "43"], [164, "activated", "44"],
  ]);
});

test("an activation is labelled with its generation, others with how many they are", () => {
  const [one] = marks(activated(10, "43"));
  assert.deepEqual([one.look, one.activated, labelOf(one)], ["activated", true, "43"]);
  const [two] = marks(activated(10, "43"), activated(11, 44));
  assert.deepEqual([two.events.length, labelOf(two)], [2, "44"]);
  assert.equal(labelOf(marks(event(1), event(2))[0]), "×2");
  assert.equal(labelOf(marks(event(1))[0]), "");
});

test("a generation that is absent or no number is not written", () => {
  for (const generation of [undefined, null, "", "<b>1</b>", "12345678", "-1", { a: 1 }, "4\n3"]) {
    assert.equal(labelOf(marks(activated(1, generation))[0]), "");
  }
});

test("an alert that is over is no longer grave, and a severity that is not known is news", () => {
  assert.equal(marks(event(1, "critical", "alert.resolved"))[0].look, "info");
  assert.equal(marks(event(1, "<script>"))[0].look, "info");
  assert.equal(marks(event(1, "warning", "system.activated"))[0].look, "warning");
});

test("a cursor means the nearest mark, if it is near", () => {
  const found = marks(event(10), event(20));
  assert.equal(meant(found, 24), found[0]);
  assert.equal(meant(found, 36), found[1]);
  assert.equal(meant(found, 30), null);
  assert.equal(meant(found, -10), null);
  // No cursor is not one just left of the plot, where a mark may be near.
  const [first] = marks(event(1));
  assert.deepEqual([meant([first], -1), meant([first], 0)], [null, first]);
  assert.equal(meant([], 3), null);
});

test("of many events those are told that say the most, in the order of their times", () => {
  const [mark] = marks(event(1), event(2, "warning"), event(3), event(4, "critical"));
  assert.deepEqual(telling(mark, 3).map((one) => one.time), [1, 2, 4]);
  assert.deepEqual(telling(mark, 9).length, 4);
});

/** Labels of heads up to an end, each character of which is 6 pixels wide. */
const labels = (end, ...events) => headsOf(marks(...events), end, (label) => label.length * 6).map(({ label }) => label);

test("a flag is written on if its label and its edges end within the room", () => {
  // From 20.5, 4 to each side of 12.
  assert.deepEqual(labels(40.5, activated(10, "43")), ["43"]);
  assert.deepEqual(labels(40, activated(10, "43")), [""]);
  assert.deepEqual(labels(40.5, activated(10, "431")), [""]);
});

test("a label beside a head is written if it ends within the room", () => {
  const two = (severity) => [event(10, severity), event(11)];
  assert.deepEqual(labels(20.5 + 5 + 2 + 12, ...two("warning")), ["×2"]);
  assert.deepEqual(labels(20.5 + 5 + 2 + 11, ...two("warning")), [""]);
  assert.deepEqual(labels(20.5 + 6 + 2 + 11, ...two("critical")), [""]);
});

test("a label stays clear of the next mark, whose head reaches to the left of its line", () => {
  /** The flag's label ends 20 pixels after its line, and 4 pixels are left free. */
  const beside = (next) => labels(300, activated(10, "43"), next)[0];
  assert.equal(beside(activated(22, "44")), "43");
  assert.equal(beside(activated(21.5, "44")), "");
  for (const [severity, reach] of [["info", 3], ["warning", 5], ["critical", 6]]) {
    assert.equal(beside(event(22 + reach / 2, severity)), "43", severity);
    assert.equal(beside(event(21.5 + reach / 2, severity)), "", severity);
  }
});

test("lines lie on whole pixels", () => {
  const heads = headsOf(marks(event(10.1), event(20.3)), 300, () => 1);
  assert.deepEqual(heads.map(({ x, label }) => [x, label]), [[20.5, ""], [41.5, ""]]);
});

test("a note hangs on the side with more room, no wider than that and never very wide", () => {
  assert.deepEqual(hung(100, 1000), { left: 108, right: null, widest: 320 });
  assert.deepEqual(hung(900, 1000), { left: null, right: 108, widest: 320 });
  assert.deepEqual(hung(500, 1000), { left: 508, right: null, widest: 320 });
  assert.deepEqual(hung(10, 200), { left: 18, right: null, widest: 182 });
  assert.deepEqual(hung(190, 200), { left: null, right: 18, widest: 182 });
});

test("how many are marked is said in words", () => {
  assert.deepEqual([0, 1, 2].map(countText), ["", "1 event marked", "2 events marked"]);
});

test("an event is known once, and one that is told of late lands where it belongs", () => {
  const happened = new Happened();
  const [first, second, late] = [event(100), event(300), event(200)];
  assert.equal(happened.add([second, first]), true);
  assert.equal(happened.add([{ ...first }]), false);
  assert.equal(happened.add([first, late]), true);
  assert.deepEqual(happened.within(100, 300), [first, late, second]);
  assert.deepEqual(happened.within(100.1, 299.9), [late]);
});

test("what was told of last is listed in the order of time, and what came late is not passed by", () => {
  const happened = new Happened();
  const [first, second, third, late, latest] = [event(100), event(200), event(300), event(150), event(50)];
  happened.add([first, second, third, late]);
  assert.deepEqual(happened.lastTold(3), [third, second, late]);
  happened.add([latest]);
  assert.deepEqual(happened.lastTold(3), [third, late, latest]);
  assert.deepEqual(happened.lastTold(9), [third, second, late, first, latest]);
});

test("what the hub says of a machine whose clock is off lies among what the machine says", () => {
  const happened = new Happened();
  const [own, alert, lost] = [event(150, "info", "unit.failed"), event(700, "info", "alert.firing"), event(800)];
  happened.add([own, alert, lost]);
  const behind = { time: 400, received: 1000 };
  const found = happened.within(100, 200, behind);
  assert.deepEqual(found.map(({ id, time }) => [id, time]), [[alert.id, 100], [own.id, 150], [lost.id, 200]]);
  assert.deepEqual(happened.within(600, 900, behind), []);
  assert.deepEqual(happened.within(600, 900, { time: 990, received: 1000 }), [alert, lost]);
  assert.deepEqual(happened.within(600, 900), [alert, lost]);
  assert.equal(happened.byTime[1].time, 700);
});

test("of very many events the last that were stored are kept", () => {
  const happened = new Happened();
  const many = Array.from({ length: MOST_KEPT + 20 }, (_, at) => event(at));
  happened.add(many.slice(0, MOST_KEPT));
  assert.equal(happened.dropped, false);
  happened.add(many);
  assert.equal(happened.dropped, true);
  assert.deepEqual(happened.within(0, Infinity), many.slice(20));
  happened.clear();
  assert.deepEqual([happened.lastTold(MOST_KEPT), happened.dropped], [[], false]);
});

test("keys lead from mark to mark, also from one that has moved on under the cursor", () => {
  const found = marks(event(10), event(30), event(50));
  const from = (key, x) => markByKey(key, found, x)?.x ?? null;
  assert.deepEqual(["n", "p", "N", "x"].map((key) => from(key, -10)), [20, 100, 20, null]);
  assert.deepEqual([from("n", 20), from("p", 20), from("n", 100)], [60, null, null]);
  assert.deepEqual([from("n", 63), from("p", 63)], [100, 20], "three pixels beside the second");
  assert.deepEqual([from("n", 40), from("p", 40)], [60, 20], "between two");
  assert.equal(markByKey("n", [], 5), null);
});
