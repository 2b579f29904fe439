/** fleet_filter.js, fleet_order.js, fleet_groups.js and what belongs to them: which machines, in which order, below which headings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { filters, readFleet, unfiltered, writeFleet } from "../../web/static/js/fleet/fleet_choice.js";
import { census, chosen, tagCounts } from "../../web/static/js/fleet/fleet_filter.js";
import { groupsOf, prefixesOf } from "../../web/static/js/fleet/fleet_groups.js";
import { keptOrder, ordered, startsDown } from "../../web/static/js/fleet/fleet_order.js";
import { alertsByMachine } from "../../web/static/js/fleet/machine_alerts.js";
import { summaryChips } from "../../web/static/js/fleet/summary_chips.js";
import { seenOf } from "../../web/static/js/fleet/windows.js";
import { Layout } from "../../web/static/js/live/layout.js";
import { Machine } from "../../web/static/js/live/machine_state.js";

const METRICS = ["cpu.percent", "memory.percent", "filesystem.percent", "filesystem.percent", "network.received", "network.sent", "system.load1", "system.uptime"];
const LAYOUT = new Layout("aa", METRICS.map((metric, at) => ({ metric, instance: String(at), unit: "", kind: "", instance_label: "" })));
const machine = (name, more = {}, ...values) => Object.assign(new Machine(name), { state: "up", layout: LAYOUT, values, ...more });
const names = (machines) => machines.map((one) => one.name);
const PLAIN = readFleet(new URLSearchParams());
const choose = (change) => ({ ...PLAIN, ...change });

const FLEET = [
  machine("web1", { tags: ["prod", "rack:4"], facts: { os: "NixOS 26.05", needs_reboot: "kernel" } }),
  machine("web2", { tags: ["staging", "rack:4"], facts: { os: "Debian 12" }, state: "silent" }),
  machine("db1", { tags: ["prod", "rack:10", "rack:4"], facts: { os: "NixOS 25.11" } }),
  machine("new", { state: "waiting" }),
];
const alert = (name, severity) => ({ machine: name, severity });
const ALERTS = alertsByMachine([alert("db1", "critical"), alert("db1", "warning"), alert("web2", "info")]);
const found = (change) => names(chosen(FLEET, choose(change), ALERTS));

test("a machine is found by parts of its name, tags and facts, all words of them, whatever their case", () => {
  assert.deepEqual(found({ text: "WEB" }), ["web1", "web2"]);
  assert.deepEqual(found({ text: " nixos  rack:4 " }), ["web1", "db1"]);
  assert.deepEqual(found({ text: "26.05" }), ["web1"]);
  assert.deepEqual(found({ text: "web1prod" }), [], "words do not run from one into the other");
  assert.deepEqual(found({ text: "  " }), names(FLEET));
});

test("what a machine says anew of itself is found at once", () => {
  const one = machine("a", { facts: { os: "Debian" } });
  const finds = (text) => chosen([one], choose({ text }), ALERTS).length;
  assert.equal(finds("debian"), 1);
  one.facts = { os: "NixOS" };
  assert.deepEqual([finds("debian"), finds("nixos")], [0, 1]);
});

test("every one of several tags, a state, an alert and a reboot narrow it down together", () => {
  assert.deepEqual(found({ tags: ["prod"] }), ["web1", "db1"]);
  assert.deepEqual(found({ tags: ["prod", "rack:10"] }), ["db1"]);
  assert.deepEqual(found({ tags: ["nowhere"] }), []);
  assert.deepEqual(found({ state: "silent" }), ["web2"]);
  assert.deepEqual(found({ alert: "any" }), ["web2", "db1"]);
  assert.deepEqual(found({ alert: "warning" }), ["db1"], "not only the worst counts");
  assert.deepEqual(found({ alert: "none" }), ["web1", "new"]);
  assert.deepEqual(found({ reboot: true }), ["web1"]);
  assert.deepEqual(found({ reboot: true, state: "silent" }), []);
});

test("what is chosen is told from what only arranges", () => {
  assert.equal(filters(choose({ sort: "cpu", group: "rack", tiles: true, down: true })), false);
  for (const one of [{ text: "a" }, { tags: ["a"] }, { state: "up" }, { alert: "none" }, { reboot: true }]) {
    assert.equal(filters(choose(one)), true);
    assert.deepEqual(unfiltered(choose({ ...one, sort: "cpu" })), choose({ sort: "cpu" }));
  }
});

test("tags stand by how frequent they are in the fleet, and count the shown machines", () => {
  assert.deepEqual(tagCounts(FLEET, FLEET.slice(1)), [["rack:4", 2], ["prod", 1], ["rack:10", 1], ["staging", 1]]);
});

test("the fleet is counted by state", () => {
  assert.deepEqual(census(FLEET, ALERTS), { all: 4, up: 2, silent: 1, waiting: 1, reboot: 1, alerted: 2 });
});

test("chips are about what there is, and a pressed one takes its filter back", () => {
  const firing = [alert("db1", "critical"), alert("db1", "critical")];
  const changes = [];
  const chips = summaryChips(choose({ state: "silent" }), { all: 2, up: 2, silent: 0, waiting: 0, reboot: 1, alerted: 0 }, firing, (one) => changes.push(one));
  assert.deepEqual(chips.map((chip) => [chip.text, chip.count]), [["up", 2], ["silent", 0], ["critical", 2], ["needs a reboot", 1]]);
  assert.equal(chips[2].rest, " alerts on 1 machine");
  for (const chip of chips) chip.press();
  assert.deepEqual(changes, [{ state: "up" }, { state: "" }, { alert: "critical" }, { reboot: true }]);
});

const BUSY = [
  machine("m10", {}, 10, 50, 5, 99, 100, 1, 0.5, 1000),
  machine("m2", {}, 90, 60, 80, 1, 1, 500, 8, 10),
  machine("m1", {}, 10, null, 30, 30, null, null, 2, 500),
  machine("gone", { state: "silent" }, 100, 100, 100, 100, 9999, 9999, 99, 9999),
];
const order = (sort, down, alerts = ALERTS) => names(ordered(BUSY, sort, down, alerts));

test("names are sorted as people count, and in either direction", () => {
  assert.deepEqual(order("name", false), ["gone", "m1", "m2", "m10"]);
  assert.deepEqual(order("name", true), ["m10", "m2", "m1", "gone"]);
});

test("values are sorted as they are now: what is silent or was not read is last, equals by name", () => {
  assert.deepEqual(order("cpu", true), ["m2", "m1", "m10", "gone"]);
  assert.deepEqual(order("cpu", false), ["m1", "m10", "m2", "gone"]);
  assert.deepEqual(order("memory", true), ["m2", "m10", "gone", "m1"]);
  assert.deepEqual(order("disk", true), ["m10", "m2", "m1", "gone"]);
  assert.deepEqual(order("network", true), ["m2", "m10", "gone", "m1"]);
  assert.deepEqual(order("load", true), ["m2", "m1", "m10", "gone"]);
  assert.deepEqual(order("uptime", false), ["m2", "m1", "m10", "gone"]);
});

test("what is silent comes first by state, the worst first by alert", () => {
  assert.deepEqual(names(ordered(FLEET, "state", false, ALERTS)), ["web2", "new", "db1", "web1"]);
  assert.deepEqual(names(ordered(FLEET, "alert", true, ALERTS)), ["db1", "web2", "new", "web1"]);
  assert.deepEqual([startsDown("name"), startsDown("state"), startsDown("alert"), startsDown("cpu")], [false, false, true, true]);
});

test("an order that is held keeps its rows, without those that are gone, and takes in new ones where they belong", () => {
  const present = new Set("abcdxy");
  assert.deepEqual(keptOrder([..."cab"], [..."abc"], present), [..."cab"]);
  assert.deepEqual(keptOrder([..."czab"], [..."abc"], present), [..."cab"]);
  assert.deepEqual(keptOrder([..."cab"], [..."axbcy"], present), [..."caxby"]);
  assert.deepEqual(keptOrder([..."ab"], [..."xyab"], present), [..."xyab"]);
  assert.deepEqual(keptOrder([..."abc"], [..."ab"], present), [..."abc"], "one that matches no more stays as well");
  assert.deepEqual(keptOrder([], [..."ab"], present), [..."ab"]);
});

test("machines stand below each of their tags, or of a prefix's, and the others last", () => {
  const groups = (group) => groupsOf(FLEET, group).map((one) => [one.tag, names(one.machines).join(" ")]);
  assert.deepEqual(groups(""), [["", "web1 web2 db1 new"]]);
  assert.deepEqual(groups("rack"), [["rack:4", "web1 web2 db1"], ["rack:10", "db1"], ["", "new"]]);
  assert.deepEqual(groups("tag").map(([tag]) => tag), ["prod", "rack:4", "rack:10", "staging", ""]);
  assert.deepEqual(prefixesOf([...FLEET, machine("x", { tags: [":a", "b", "zone:1", "tag:x"] })]), ["rack", "zone"]);
});

test("a choice comes back from its address", () => {
  const query = new URLSearchParams();
  const choice = choose({ text: "a b", tags: ["x:1"], reboot: true, sort: "state", down: true, group: "rack" });
  writeFleet(query, choice);
  assert.deepEqual(readFleet(query), choice);
});

test("rows in view are reckoned from where they begin and how high they are", () => {
  const rows = { count: 100, across: 1, top: 200, pitch: 50 };
  assert.deepEqual(seenOf(rows, 0, 100), [0, 0]);
  assert.deepEqual(seenOf(rows, 0, 300), [0, 3]);
  assert.deepEqual(seenOf({ ...rows, top: -1000 }, 0, 100), [20, 23]);
  assert.deepEqual(seenOf({ ...rows, top: -5000 }, -300, 900), [94, 100]);
  assert.deepEqual(seenOf({ ...rows, top: -9000 }, 0, 100), [100, 100]);
  assert.deepEqual(seenOf({ count: 10, across: 4, top: 0, pitch: 50 }, 60, 90), [4, 8]);
  assert.deepEqual(seenOf({ count: 10, across: 4, top: 0, pitch: 50 }, 60, 900), [4, 10]);
});
