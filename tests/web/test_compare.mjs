/** compare/: which machines are meant, how they are asked for, one time line of all, and who is ranked where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { familiesFound, familyTitle, isMetricName } from "../../web/static/js/live/catalogue.js";
import { chosenMachines, instancesOf, seriesCount, strangers, tagCounts } from "../../web/static/js/compare/chosen.js";
import { batches, sharedPoints } from "../../web/static/js/compare/questions.js";
import { FleetTimeline, fleetKey, keyParts } from "../../web/static/js/compare/fleet_timeline.js";
import { Colours, standings } from "../../web/static/js/compare/ranking.js";
import { fitted } from "../../web/static/js/compare/row_names.js";
import { missingIn } from "../../web/static/js/compare/missing.js";
import { sentences } from "../../web/static/js/compare/sentences.js";
import { Layout } from "../../web/static/js/live/layout.js";
import { Machine } from "../../web/static/js/live/machine_state.js";

const disks = (...mounts) => new Layout("aa", mounts.map((instance) => ({ metric: "filesystem.percent", instance })));
const machine = (name, tags = [], layout = null) => Object.assign(new Machine(name), { tags, layout });
const fleet = (...machines) => new Map(machines.map((one) => [one.name, one]));
const FLEET = fleet(
  machine("web10", ["web", "prod"], disks("/", "/srv")),
  machine("web2", ["web", "staging"], disks("/")),
  machine("db1", ["db", "prod"]),
);
const names = (choice) => chosenMachines(FLEET, { machines: [], tags: [], ...choice }).map((one) => one.name);

test("nothing chosen is every machine; names come beside those that have all tags", () => {
  assert.deepEqual(names({}), ["db1", "web2", "web10"]);
  assert.deepEqual(names({ tags: ["prod"] }), ["db1", "web10"]);
  assert.deepEqual(names({ tags: ["prod", "web"] }), ["web10"]);
  assert.deepEqual(names({ tags: ["prod", "web"], machines: ["db1", "gone"] }), ["db1", "web10"]);
  assert.deepEqual(names({ machines: ["web2"] }), ["web2"]);
  assert.deepEqual(names({ tags: ["none"] }), []);
  assert.deepEqual(strangers(FLEET, { machines: ["db1", "gone"] }), ["gone"]);
});

test("a tag tells how many would be left with it; what is chosen comes first, even if nobody has it", () => {
  assert.deepEqual(tagCounts(FLEET, []).map(({ tag, count }) => [tag, count]), [["prod", 2], ["web", 2], ["db", 1], ["staging", 1]]);
  assert.deepEqual(tagCounts(FLEET, ["web"]).map(({ tag, count }) => [tag, count]), [["web", 2], ["prod", 1], ["staging", 1]]);
  assert.deepEqual(tagCounts(FLEET, ["gone"]), [{ tag: "gone", count: 0, chosen: true }]);
});

test("instances and series are those of the layouts", () => {
  const machines = [...FLEET.values()];
  assert.deepEqual([...instancesOf(machines, "filesystem.percent")], [["/", 2], ["/srv", 1]]);
  assert.deepEqual([...instancesOf(machines, "cpu.percent")], []);
  assert.equal(seriesCount(machines[0], "filesystem.percent", ""), 2);
  assert.equal(seriesCount(machines[0], "filesystem.percent", "/"), 1);
  assert.equal(seriesCount(machines[2], "filesystem.percent", ""), 1);
});

test("machines are asked for 50 at a time, fewer where they have many series, each once", () => {
  const many = Array.from({ length: 120 }, (_, at) => ({ name: `m${at}`, series: 1 }));
  assert.deepEqual(batches(many, 400).map((one) => one.length), [50, 50, 20]);
  assert.deepEqual(batches(many, 400).flat(), many.map((one) => one.name));
  const cores = Array.from({ length: 6 }, (_, at) => ({ name: `m${at}`, series: 128 }));
  assert.deepEqual(batches(cores, 400).map((one) => one.length), [2, 2, 2]);
  assert.deepEqual(batches([{ name: "huge", series: 5000 }, { name: "b", series: 1 }], 400), [["huge"], ["b"]]);
  assert.deepEqual(batches([], 400), []);
});

test("buckets hold two samples of the machine that samples least often, so that all have the same", () => {
  assert.equal(sharedPoints(400, 3600, 5), 360);
  assert.equal(sharedPoints(400, 86400, 5), 400);
  assert.equal(sharedPoints(400, 10, 60), 2);
});

const answer = (step, times, series, extra = {}) => ({
  metric: "cpu.percent", unit: "percent", kind: "rate", from: times[0], to: times.at(-1) + step, step_seconds: step, times,
  gaps: [], unknown: [], ...extra,
  series: series.map(([name, mean]) => ({ machine: name, instance: "", min: mean.map((v) => v && v - 1), mean, max: mean.map((v) => v && v + 1) })),
});
const means = (timeline, name) => timeline.columns.get(fleetKey(name, ""))?.mean;

test("answers that come one after the other lie in the same rows, with what was not read as it is", () => {
  const timeline = new FleetTimeline(5, 10);
  timeline.take(answer(20, [0, 20, 40], [["a", [1, null, 3]]]));
  timeline.take(answer(20, [0, 20, 40], [["b", [4, 5, 6]]]));
  assert.deepEqual(timeline.times, [10, 30, 50]);
  assert.equal(timeline.step, 20);
  assert.deepEqual(means(timeline, "a"), [1, null, 3]);
  assert.deepEqual(means(timeline, "b"), [4, 5, 6]);
});

test("an answer in other buckets is laid over the rows that there are", () => {
  const timeline = new FleetTimeline(5, 10);
  timeline.take(answer(20, [0, 20, 40], [["a", [1, 2, 3]]]));
  timeline.take(answer(40, [0, 40], [["b", [7, 8]]]));
  assert.deepEqual(means(timeline, "b"), [7, 7, 8]);
});

test("live samples of all machines are gathered in buckets, each machine's by itself and in any order", () => {
  const timeline = new FleetTimeline(5, 10);
  for (const [name, time, value] of [["a", 101, 10], ["b", 104, 50], ["a", 106, 20], ["b", 112, 70], ["a", 109, 30], ["a", 111, 1]]) {
    timeline.addSample(fleetKey(name, ""), time, value);
  }
  assert.deepEqual(timeline.times, [105, 115]);
  assert.deepEqual(means(timeline, "a"), [20, 1]);
  assert.deepEqual(means(timeline, "b"), [50, 70]);
  assert.deepEqual(timeline.columns.get(fleetKey("a", "")).max, [30, 1]);
  assert.deepEqual(timeline.columns.get(fleetKey("a", "")).min, [10, 1]);
});

test("a machine that is silent has a hole where others go on, and a sample from before the rows is left out", () => {
  const timeline = new FleetTimeline(5, 10);
  timeline.take(answer(10, [100, 110], [["a", [1, 1]], ["b", [2, 2]]]));
  for (const time of [121, 131, 141]) timeline.addSample(fleetKey("a", ""), time, 3);
  timeline.addSample(fleetKey("b", ""), 143, 4);
  timeline.addSample(fleetKey("b", ""), 20, 99);
  timeline.addSample(fleetKey("b", ""), 146, null);
  assert.deepEqual(means(timeline, "a"), [1, 1, 3, 3, 3]);
  assert.deepEqual(means(timeline, "b"), [2, 2, null, null, 4]);
  const column = timeline.columns.get(fleetKey("b", ""));
  assert.ok([column.min, column.max, column.mean].every((one) => one.length === timeline.times.length));
});

test("after a long time without any sample there is one gap, not a row for each bucket", () => {
  const timeline = new FleetTimeline(5, 10);
  timeline.addSample(fleetKey("a", ""), 101, 1);
  timeline.addSample(fleetKey("a", ""), 10_000_001, 2);
  assert.deepEqual(means(timeline, "a"), [1, null, 2]);
});

test("a key tells the machine and the instance, which may have spaces", () => {
  assert.deepEqual(keyParts(fleetKey("web1", "/mnt/my disk")), ["web1", "/mnt/my disk"]);
  assert.deepEqual(keyParts(fleetKey("web1", "")), ["web1", ""]);
});

test("the greatest mean of the time shown comes first, whoever read nothing last, equals by their names", () => {
  const timeline = new FleetTimeline(5, 10);
  timeline.take(answer(10, [0, 10, 20, 30], [["b10", [2, 2, 2, null]], ["b9", [2, 2, 2, null]], ["early", [99, null, null, null]], ["spike", [0, 0, 5, 1]]]));
  const found = standings(timeline, 12, 40);
  assert.deepEqual(found.map((one) => one.machine), ["b9", "b10", "spike", "early"]);
  assert.deepEqual(found[2], { key: "spike ", machine: "spike", instance: "", newest: 1, mean: 2, max: 6 });
  assert.deepEqual([found[3].mean, found[3].max, found[3].newest], [null, null, null]);
});

test("a series keeps its colour for as long as it is drawn", () => {
  const colours = new Colours();
  assert.deepEqual([...colours.give(["a", "b", "c"])], [["a", 0], ["b", 1], ["c", 2]]);
  assert.deepEqual([...colours.give(["c", "d", "a"])], [["a", 0], ["c", 2], ["d", 1]]);
});

test("a long name of a machine keeps its beginning, and its instance stays", () => {
  const said = (machine, instance, most) => fitted([machine, instance], most, (text) => text.length);
  assert.equal(said("short", "", 10), "short");
  assert.equal(said("a-very-long-name", "", 8), "a-very-…");
  assert.equal(said("web1", "eth0", 9), "web1 eth0");
  assert.equal(said("web1.example.com", "eth0", 14), "web1.exa… eth0");
  assert.equal(said("web1.example.com", "eth0", 16), "web1.examp… eth0", "the machine alone would fit");
  assert.equal(said("web1.example.com", "/srv/volumes/one", 20), "web1.exa… /srv…s/one");
  assert.equal(said("web1", "/srv/volumes/one", 16), "web1 /srv/…s/one", "what the machine leaves is the instance's");
  assert.equal(said("", "/srv/volumes/one", 8), "/sr…/one");
  assert.equal(said("web1.example.com", "eth0", 1), "… …");
});

test("what is not drawn is said, with why", () => {
  const plain = { shape: "lines", missing: null, series: 3, drawn: 3, leftOut: 0, without: [], clocks: [], strangers: [], otherUnits: [], asked: 1, questions: 1 };
  assert.deepEqual(sentences(plain), []);
  assert.deepEqual(sentences({ ...plain, series: 12, drawn: 10 }), [
    "2 more not drawn: these are the 10 lines with the greatest mean in the time shown.",
  ]);
  assert.deepEqual(sentences({ ...plain, asked: 3, questions: 20 }), ["Loading: 3 of 20 parts are here."]);
  assert.deepEqual(sentences({ ...plain, without: ["a"], strangers: ["b", "c"] }), [
    "a has no such metric in this time.",
    "No machine is called b, c.",
  ]);
  assert.deepEqual(sentences({ ...plain, without: ["a", "b", "c", "d", "e", "f"] }), [
    "a, b, c, d and 2 more have no such metric in this time.",
  ]);
  assert.deepEqual(sentences({ ...plain, leftOut: 1, otherUnits: [{ machine: "a", unit: "count" }] }), [
    "1 machine left out, as there are too many series: choose an instance, tags or machines.",
    "Not drawn as the unit is another (count): a.",
  ]);
});

test("metrics are found by every word of a search, in name, unit or help, by family", () => {
  const metrics = [
    { metric: "network.sent", unit: "bytes/s", kind: "rate", help: "Bytes sent", instance_label: "interface" },
    { metric: "network.received", unit: "bytes/s", kind: "rate", help: "Bytes received", instance_label: "interface" },
    { metric: "cpu.percent", unit: "percent", kind: "rate", help: "Time not idle", instance_label: "" },
  ];
  const found = (search) => familiesFound(metrics, search).map(({ family, metrics: some }) => [family, some.map((one) => one.metric)]);
  assert.deepEqual(found(""), [["cpu", ["cpu.percent"]], ["network", ["network.received", "network.sent"]]]);
  assert.deepEqual(found("BYTES rec"), [["network", ["network.received"]]]);
  assert.deepEqual(found("network sent"), [["network", ["network.sent"]]]);
  assert.deepEqual(found("nothing"), []);
  assert.deepEqual(["cpu.percent", "shop.orders_p95", "cpu", "<img>.x", "a.b.c", ""].filter(isMetricName), ["cpu.percent", "shop.orders_p95"]);
  assert.deepEqual([familyTitle("cpu"), familyTitle("sensor_fan")], ["CPU", "Sensor fan"]);
});

test("it is said how a spike can be seen, and what is missing from all", () => {
  const few = {
    shape: "heat", step: 7200, crest: false, missing: null, eventsCut: false, series: 2, drawn: 2, leftOut: 0, without: [], clocks: [], strangers: [],
    otherUnits: [], asked: 1, questions: 1,
  };
  assert.deepEqual(sentences(few), ["Each cell has the colour of the greatest reading of its 2 h."]);
  const lines = { ...few, shape: "lines" };
  assert.match(sentences({ ...lines, crest: true })[0], /^The thin line above is the greatest single reading of all lines/);
  assert.match(sentences({ ...lines, eventsCut: true })[0], /^More happened to systems in this time than is marked/);
  const [missing] = sentences({ ...lines, missing: { longest: [1_700_000_000, 1_700_010_800], count: 3 } });
  assert.match(missing, /^Nothing was read from any of these for 3 h \(2023-11-1\d .*\), and in 2 shorter gaps besides\.$/);
});

test("a gap is one in which no machine was read, longer than chance", () => {
  const timeline = new FleetTimeline(5, 10);
  const value = (at) => (at < 3 || (at > 8 && at < 20) || at > 22 ? 1 : null);
  const times = Array.from({ length: 30 }, (_, at) => at * 10);
  timeline.take(answer(10, times, [["a", times.map((_, at) => value(at))], ["b", times.map((_, at) => (at === 15 ? 1 : null))]]));
  assert.deepEqual(missingIn(timeline, 0, 300), { longest: [30, 90], count: 2 });
  assert.equal(missingIn(timeline, 100, 190), null);
});

test("machines whose clock is off are named, with how far", () => {
  const clock = (name, ahead) => ({ name, time: 1_700_000_000 + ahead, received: 1_700_000_000 });
  const plain = { shape: "lines", missing: null, series: 3, drawn: 3, leftOut: 0, without: [], strangers: [], otherUnits: [], asked: 1, questions: 1 };
  const said = (...clocks) => sentences({ ...plain, clocks })[0];
  const why = "Their readings are drawn at the times that their own clocks say.";
  assert.equal(said(clock("slow", -7200), clock("fast", 600)), `slow: its clock is 2 h behind; fast: its clock is 10 min ahead. ${why}`);
  assert.match(said(...Array.from({ length: 7 }, () => clock("slow", -7200))), /2 h behind; 2 other clocks are off as well\. /);
});
