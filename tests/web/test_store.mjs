/** store.js: what the gateway's messages do to the live state. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../web/static/js/live/store.js";

const SERIES = [
  { metric: "cpu.percent", instance: "", unit: "percent", kind: "rate", instance_label: "" },
  { metric: "network.received", instance: "eth0", unit: "bytes/s", kind: "rate", instance_label: "interface" },
  { metric: "network.received", instance: "lo", unit: "bytes/s", kind: "rate", instance_label: "interface" },
];

const entry = (machine, time = 100, values = [1, 2, 3]) => ({
  machine, state: "up", interval_seconds: 5, agent_version: "1", facts: {}, time, layout: "aa", values,
});
const snapshot = (...machines) => ({ type: "snapshot", time: 1000, live: true, layouts: { aa: SERIES }, machines });
const frames = (...list) => ({ type: "frames", frames: list });
const frame = (machine, time, values = [4, 5, 6]) => ({ machine, time, layout: "aa", values });

/** A store whose flushes happen when `flush` is called. */
function makeStore() {
  const waiting = [];
  const store = new Store((flush) => waiting.push(flush), () => 900);
  const changes = [];
  store.onChange((change) => changes.push(change));
  return { store, changes, flush: () => waiting.splice(0).forEach((one) => one()) };
}

test("changes are gathered until the next drawing, machines once each", () => {
  const { store, changes, flush } = makeStore();
  store.receive(snapshot(entry("a"), entry("b")));
  store.receive(frames(frame("a", 105), frame("a", 110)));
  assert.equal(changes.length, 0);
  flush();
  assert.equal(changes.length, 1);
  assert.deepEqual([...changes[0].machines], ["a", "b"]);
  assert.equal(changes[0].membership, true);
});

test("a machine whose clock was set back goes on, with traces that begin anew", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a", 100), entry("b", 100)));
  store.watch("a", ["a"]);
  store.receive(frames(frame("a", 105), frame("a", 110)));
  store.receive(frames(frame("a", 50, [7, 8, 9])));
  const machine = store.machines.get("a");
  assert.deepEqual([machine.time, machine.restarts, machine.cpuTrace.length], [50, 1, 1]);
  assert.deepEqual(machine.values, [7, 8, 9]);
  assert.deepEqual(store.frames.map((one) => one.time), [50]);
  store.receive(frames(frame("a", 55)));
  assert.deepEqual([machine.time, machine.restarts, machine.cpuTrace.length], [55, 1, 2]);
  assert.equal(store.machines.get("b").restarts, 0);
});

test("a frame that a snapshot brings again is taken once", () => {
  const { store } = makeStore();
  store.watch("a", ["a"]);
  store.receive(snapshot(entry("a", 100)));
  store.receive(snapshot(entry("a", 100)));
  assert.equal(store.frames.length, 1);
  assert.equal(store.machines.get("a").restarts, 0);
});

test("a sample that comes again with other metrics, after another page, has them at once", () => {
  const { store } = makeStore();
  const FEW = { ...snapshot({ ...entry("a", 100, [1]), layout: "few" }), layouts: { few: SERIES.slice(0, 1) }, metrics: ["cpu.percent"] };
  store.receive(FEW);
  assert.deepEqual(store.metrics, ["cpu.percent"]);
  store.watch("a", ["a"]);
  store.receive(frames({ ...frame("a", 105, [2]), layout: "few" }));
  store.receive(snapshot(entry("a", 105, [2, 3, 4])));
  const machine = store.machines.get("a");
  assert.deepEqual([store.metrics, machine.layout.id, machine.values], [null, "aa", [2, 3, 4]]);
  assert.deepEqual(store.frames.map((one) => [one.time, one.values.length]), [[105, 3]]);
  assert.equal(machine.cpuTrace.length, 2);
});

test("a frame of an unknown machine or layout is left out", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a")));
  store.receive(frames(frame("other", 200), { ...frame("a", 200), layout: "bb" }));
  assert.equal(store.machines.size, 1);
  assert.equal(store.machines.get("a").time, 100);
});

test("a machine that a full snapshot no longer has is forgotten, the others stay the same objects", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a"), entry("b")));
  const kept = store.machines.get("b");
  store.receive(snapshot(entry("b", 105)));
  assert.deepEqual([...store.machines.keys()], ["b"]);
  assert.equal(store.machines.get("b"), kept);
});

test("a machine that was forgotten goes at once, and comes back as a new one", () => {
  const { store, changes, flush } = makeStore();
  store.receive(snapshot(entry("a"), entry("b")));
  store.watch("a", ["a"]);
  const before = store.machines.get("a");
  store.receive(frames(frame("a", 105)));
  flush();
  store.receive({ type: "forgotten", machines: ["a", "never"] });
  store.receive(frames(frame("a", 110)));
  assert.deepEqual([...store.machines.keys()], ["b"]);
  assert.equal(store.frames.length, 0);
  flush();
  assert.deepEqual([changes.at(-1).membership, [...changes.at(-1).machines]], [true, []]);
  store.receive({ type: "machine", ...entry("a", 200) });
  assert.notEqual(store.machines.get("a"), before);
  assert.equal(store.machines.get("a").cpuTrace.length, 1);
});

test("while one machine is watched a snapshot of it does not forget the others", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a"), entry("b")));
  store.watch("a", ["a"]);
  store.receive(snapshot(entry("a", 105)));
  assert.deepEqual([...store.machines.keys()], ["a", "b"]);
});

test("only the watched machine's frames are kept, and not without bound", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a"), entry("b")));
  store.watch("a", ["a"]);
  for (let time = 101; time < 5101; time += 1) store.receive(frames(frame("a", time), frame("b", time)));
  assert.ok(store.frames.length <= 2000 && store.frames.length >= 1500);
  assert.ok(store.frames.every((one) => one.machine === "a"));
  assert.equal(store.frames.at(-1).time, 5100);
});

test("the loopback interface is no traffic, and what was not read is no zero", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a", 100, [null, 7, 1000])));
  const machine = store.machines.get("a");
  assert.equal(machine.trafficTrace.value(0), 7);
  assert.ok(Number.isNaN(machine.cpuTrace.value(0)));
});

test("its clock is the gateway's", () => {
  const { store } = makeStore();
  store.receive(snapshot());
  assert.equal(store.now(), 1000);
});

test("of the messages that tell the gateway's time the least late one counts, until the link was lost", () => {
  const { store } = makeStore();
  store.receive(snapshot());
  store.setLink({ state: "open", attempt: 0, retryAt: 0 });
  store.receive({ type: "beat", time: 1002 });
  assert.equal(store.now(), 1002);
  store.receive({ type: "beat", time: 1001 });
  assert.equal(store.now(), 1002);
  store.setLink({ state: "closed", attempt: 1, retryAt: 0 });
  store.receive(snapshot());
  assert.equal(store.now(), 1000);
});

test("a message of a type that is not known changes nothing", () => {
  const { store } = makeStore();
  store.receive(snapshot(entry("a")));
  store.receive({ type: "tomorrow", machines: [] });
  assert.deepEqual([...store.machines.keys()], ["a"]);
});

test("a snapshot drops layouts that nothing uses, and keeps those of machines it does not hold", () => {
  const { store } = makeStore();
  store.receive({ ...snapshot(entry("a"), { ...entry("b"), layout: "bb" }), layouts: { aa: SERIES, bb: SERIES, cc: SERIES } });
  assert.deepEqual([...store.layouts.keys()], ["aa", "bb", "cc"]);
  store.watch("a", ["a"]);
  store.receive(snapshot(entry("a", 105)));
  assert.deepEqual([...store.layouts.keys()], ["aa", "bb"]);
});

test("when the hub got a sample is kept, and is not known where an older gateway does not say", () => {
  const { store } = makeStore();
  store.receive(snapshot({ ...entry("a"), received: 400 }));
  assert.equal(store.machines.get("a").received, 400);
  store.receive(frames({ ...frame("a", 105), received: 405 }));
  assert.equal(store.machines.get("a").received, 405);
  store.receive(frames(frame("a", 110)));
  assert.equal(store.machines.get("a").received, null);
});

test("it is stale while the link is down or there is no live data, and says when it came back", () => {
  const { store } = makeStore();
  assert.equal(store.stale, true);
  store.receive(snapshot());
  store.setLink({ state: "open", attempt: 0, retryAt: 0 });
  assert.equal(store.stale, false);
  assert.equal(store.generation, 1);
  store.receive(snapshot());
  assert.equal(store.generation, 1, "a snapshot that was asked for has missed nothing");
  store.receive({ type: "live", live: false, reason: "Redis is away" });
  assert.equal(store.liveFault, "Redis is away");
  assert.equal(store.stale, true);
  store.receive(snapshot());
  assert.equal(store.stale, false);
  assert.equal(store.generation, 2);
});

test("a machine has its tags, and none if the gateway does not say", () => {
  const { store } = makeStore();
  store.receive(snapshot({ ...entry("a"), tags: ["web", "prod"] }, entry("b")));
  assert.deepEqual(store.machines.get("a").tags, ["web", "prod"]);
  assert.deepEqual(store.machines.get("b").tags, []);
  store.receive({ type: "machine", ...entry("a"), tags: [] });
  assert.deepEqual(store.machines.get("a").tags, []);
});

test("events that are too many for one drawing are told to be lost, the newest are there", () => {
  const { store, changes, flush } = makeStore();
  const tell = (id) => store.receive({ type: "event", event: { id } });
  for (let id = 0; id < 100; id += 1) tell(id);
  flush();
  for (let id = 0; id < 101; id += 1) tell(id);
  flush();
  assert.deepEqual(changes.map((change) => [change.events.length, change.events.at(-1).id, change.eventsLost]), [
    [100, 99, false], [100, 100, true],
  ]);
});

test("other rules are told once, however often they were said before a drawing", () => {
  const { store, changes, flush } = makeStore();
  store.receive({ type: "beat", time: 1000 });
  flush();
  for (const since of [1000, 1001]) store.receive({ type: "rules", since });
  flush();
  assert.deepEqual(changes.map((change) => change.rules), [false, true]);
});

test("a snapshot tells only of the machines that are followed", () => {
  const store = new Store(() => {});
  const of = (...names) => ({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: names.map(waiting) });
  const waiting = (machine) => ({
    machine, state: "waiting", time: null, layout: null, values: null, interval_seconds: 5, agent_version: "1", facts: {}, tags: [],
  });
  store.receive(of("a", "b", "c"));
  store.watch(null, ["a", "b"]);
  store.receive(of("a"));
  assert.deepEqual([...store.machines.keys()], ["a", "c"]);
  store.watch(null, ["a"]);
  assert.ok(store.complete, "fewer are followed");
  store.watch(null, null);
  assert.ok(!store.complete, "others may be there");
  store.receive(of("a"));
  assert.deepEqual([[...store.machines.keys()], store.complete], [["a"], true]);
});
