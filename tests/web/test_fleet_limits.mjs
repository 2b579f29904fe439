/** glob.js, limits.js and thresholds.js: which alert rules hold for a series, and what a meter shows of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compiled } from "../../web/static/js/live/glob.js";
import { endlessGaugeOf, gaugeOf, levelOf, limitsOf, watchesOf, worstOf } from "../../web/static/js/live/limits.js";
import { Layout } from "../../web/static/js/live/layout.js";
import { Machine } from "../../web/static/js/live/machine_state.js";
import { Thresholds } from "../../web/static/js/live/thresholds.js";

const rule = (metric, threshold, severity, more = {}) => ({
  rule: "r", severity, machine: "*", metric, instance: "*", comparison: ">", threshold, ...more,
});
const RULES = [
  rule("cpu.percent", 90, "warning"),
  rule("filesystem.percent", 85, "warning"),
  rule("filesystem.percent", 95, "critical", { comparison: ">=" }),
  rule("filesystem.percent", 70, "critical", { machine: "db-*", instance: "/data*" }),
  rule(null, null, "critical", { comparison: null, instance: null }),
];
const limits = (machine, metric, instance) => limitsOf(watchesOf(RULES), machine, metric, instance);

test("a rule is about the machines and instances that its globs match", () => {
  const thresholds = (...series) => limits(...series).map((limit) => limit.threshold);
  assert.deepEqual(thresholds("web1", "cpu.percent", ""), [90]);
  assert.deepEqual(thresholds("web1", "filesystem.percent", "/data"), [85, 95]);
  assert.deepEqual(thresholds("db-1", "filesystem.percent", "/data/pg"), [85, 95, 70]);
  assert.deepEqual(thresholds("db-1", "filesystem.percent", "/"), [85, 95]);
  assert.deepEqual(thresholds("db-1", "memory.percent", ""), []);
});

test("a level is the worst that is reached, as each rule compares", () => {
  const level = (value) => levelOf(limits("web1", "filesystem.percent", "/"), value);
  assert.deepEqual([10, 85, 85.1, 94.9, 95].map(level), ["ok", "ok", "warning", "warning", "critical"]);
  assert.equal(level(null), "ok");
  const below = [{ severity: "info", comparison: "<", threshold: 5 }, { severity: "warning", comparison: "<=", threshold: 1 }];
  assert.deepEqual([6, 5, 4, 1].map((value) => levelOf(below, value)), ["ok", "ok", "info", "warning"]);
});

test("a meter has a mark for each threshold within it, in percent of what is full", () => {
  const load = [{ severity: "warning", comparison: ">", threshold: 6 }, { severity: "critical", comparison: ">", threshold: 16 }];
  assert.deepEqual(gaugeOf(load, 4, 8), { percent: 50, level: "ok", marks: [75] });
  assert.deepEqual(gaugeOf(load, 20, 8), { percent: 250, level: "critical", marks: [75] });
  assert.deepEqual(gaugeOf(load, 7, null), { percent: null, level: "warning", marks: [] });
  assert.deepEqual(gaugeOf(load, null, 8), { percent: null, level: "ok", marks: [75] });
});

test("what has no natural end has a meter only by its limits, the highest of which lies at 80 %", () => {
  const rate = [{ severity: "warning", comparison: ">", threshold: 400 }, { severity: "critical", comparison: ">", threshold: 800 }];
  assert.deepEqual(endlessGaugeOf(rate, 500), { percent: 50, level: "warning", marks: [40, 80] });
  assert.deepEqual(endlessGaugeOf(rate, 2000), { percent: 200, level: "critical", marks: [40, 80] });
  assert.deepEqual(endlessGaugeOf(rate, null), { percent: null, level: "ok", marks: [40, 80] });
  assert.equal(endlessGaugeOf([], 500), null);
  assert.equal(endlessGaugeOf([{ severity: "warning", comparison: "<=", threshold: 0 }], 0), null);
});

test("of several meters it is the worst, then the fullest, and a value that is not read is the least", () => {
  const [empty, low, high, bad] = [[null, "ok"], [10, "ok"], [90, "ok"], [1, "critical"]].map(([percent, level]) => ({ percent, level, marks: [] }));
  assert.equal(worstOf([low, bad, high]), bad);
  assert.equal(worstOf([low, high, empty]), high);
  assert.equal(worstOf([empty, low]), low);
  assert.equal(worstOf([]), null);
});

test("traffic has the meter of the interface and direction that is worst, and none without a rule about them", () => {
  const series = [["network.received", "eth0"], ["network.received", "wg0"], ["network.received", "lo"], ["network.sent", "eth0"]]
    .map(([metric, instance]) => ({ metric, instance }));
  const machine = Object.assign(new Machine("web1"), { layout: new Layout("x", series), values: [50, 90, 5000, 3000] });
  const gauge = (...rules) => {
    const thresholds = new Thresholds(() => {});
    thresholds.take(JSON.stringify({ rules }));
    return thresholds.trafficGauge(machine);
  };
  assert.deepEqual(gauge(rule("network.received", 80, "warning")), { percent: 90, level: "warning", marks: [80] });
  assert.deepEqual(gauge(rule("network.received", 80, "warning", { instance: "eth*" })), { percent: 50, level: "ok", marks: [80] });
  assert.deepEqual(
    gauge(rule("network.received", 80, "warning"), rule("network.sent", 2000, "critical")),
    { percent: 120, level: "critical", marks: [80] },
  );
  for (const other of [{ machine: "db*" }, { instance: "lo" }]) assert.equal(gauge(rule("network.received", 80, "warning", other)), null);
  assert.equal(gauge(rule("cpu.percent", 80, "warning")), null);
});

test("severities and comparisons that are not known colour nothing", () => {
  const odd = [rule("a", 1, "tomorrow"), rule("a", 1, "ok"), rule("a", 1, "warning", { comparison: "~" })];
  assert.equal(levelOf(limitsOf(watchesOf(odd), "m", "a", ""), 5), "ok");
});

test("globs are those of the rules", () => {
  const matching = { "*": ["", "a/b\nc"], "db-?": ["db-1", "db-é"], "[!a]x": ["bx"], "[a-c]": ["b"], "[]x]": ["]"], "a.c": ["a.c"], "[": ["["], "[a-]": ["-"] };
  const others = { "db-?": ["db-", "db-12"], "[!a]x": ["ax"], "[a-c]": ["d"], "a.c": ["abc"], "[c-a]": ["b"], A: ["a"], "/data*": ["x/data"] };
  for (const [glob, names] of Object.entries(matching)) for (const name of names) assert.ok(compiled(glob).test(name), `${glob} ${name}`);
  for (const [glob, names] of Object.entries(others)) for (const name of names) assert.ok(!compiled(glob).test(name), `${glob} ${name}`);
});

test("before an answer nothing is coloured, and without one a full disk still looks full, with no rule's mark", () => {
  const thresholds = new Thresholds(() => {});
  const machine = { name: "web1" };
  assert.deepEqual(thresholds.gauge(machine, "cpu.percent", "", 99), { percent: 99, level: "ok", marks: [] });
  thresholds.take(null);
  assert.deepEqual(thresholds.gauge(machine, "cpu.percent", "", 85), { percent: 85, level: "warning", marks: [] });
  assert.deepEqual(thresholds.gauge(machine, "system.load1", "", 99, 8).marks, []);
  thresholds.take(JSON.stringify({ rules: RULES }));
  assert.deepEqual(thresholds.gauge(machine, "cpu.percent", "", 85), { percent: 85, level: "ok", marks: [90] });
});

test("who draws is told when the thresholds are others", () => {
  let told = 0;
  const thresholds = new Thresholds(() => (told += 1));
  for (const said of [null, null, '{"rules":[]}', '{"rules":[]}', null]) thresholds.take(said);
  assert.equal(told, 3);
});
