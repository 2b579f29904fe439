/** ring.js, sparkline.js, machine_clock.js and state_badge.js: short traces, and clocks that are off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { factsOf } from "../../web/static/js/machine/facts.js";
import { byItsClock, clockText, eventsWithin, presentOf } from "../../web/static/js/live/machine_clock.js";
import { Ring } from "../../web/static/js/live/ring.js";
import { pathsOf, runs } from "../../web/static/js/page/sparkline.js";
import { stateText } from "../../web/static/js/page/state_badge.js";

const ring = (...times) => {
  const made = new Ring(10);
  for (const time of times) made.push(time, time);
  return made;
};
const timesOf = (trace) => Array.from({ length: trace.length }, (_, at) => trace.time(at));

test("a trace goes on from where a clock was set back to", () => {
  assert.deepEqual(timesOf(ring(100, 105, 105, 50, 55)), [50, 55]);
});

test("a trace keeps the newest", () => {
  assert.deepEqual(timesOf(ring(...Array.from({ length: 25 }, (_, at) => at))), [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
});

test("a trace filled again has history, then what is newer, and always its newest sample", () => {
  const trace = ring(90, 105, 120);
  trace.refill([97.5, 102.5, 107.5, 112.5, 122.5], [1, 2, NaN, 3, 4]);
  assert.deepEqual(timesOf(trace), [97.5, 102.5, 112.5, 120]);
});

test("a line is broken where samples are missing, and where one was not read", () => {
  const trace = ring(0, 5, 10.9, 22, 27);
  trace.push(32, NaN);
  trace.push(37, 1);
  assert.deepEqual(runs(trace, 11), [[0, 2], [3, 4], [6, 6]]);
});

test("a sparkline's line and area have a stretch for each run, and a lone sample is a dot", () => {
  const trace = new Ring(10);
  for (const [time, value] of [[0, 0], [5, 50], [50, 100]]) trace.push(time, value);
  assert.deepEqual(pathsOf(trace, 100, 5, 100), {
    line: "M50.0 23.0L55.0 12.0M100.0 1.0h0",
    area: "M50.0 24L50.0 23.0L55.0 12.0L55.0 24ZM100.0 24L100.0 1.0L100.0 24Z",
  });
  assert.match(pathsOf(trace, 100, 5, 200).line, /M100.0 12.0h0$/);
  assert.match(pathsOf(trace, 100, 5, 10).line, /M100.0 1.0h0$/, "its own largest is the top where that is more");
  assert.deepEqual(pathsOf(new Ring(10), 100, 5, 100), { line: "", area: "" });
});

const machine = (time, received, state = "up") => ({ time, received, state });

test("a clock that is off by more than a minute is told, with its direction", () => {
  assert.equal(clockText(machine(1600, 1000)), "its clock is 10 min ahead");
  assert.equal(clockText(machine(1000, 1605)), "its clock is 10 min behind");
  assert.equal(clockText(machine(1060, 1000)), "");
  assert.equal(clockText(machine(1600, null)), "");
});

test("charts end now, or at the newest sample if that is later or its clock is off", () => {
  assert.equal(presentOf(machine(1000, 1001), 1003), 1003);
  assert.equal(presentOf(machine(1004, 1003), 1003), 1004);
  assert.equal(presentOf(machine(400, 1000), 1003), 400);
  assert.equal(presentOf(machine(1600, 1000), 1003), 1600);
  assert.equal(presentOf(machine(null, null), 1003), 1003);
});

test("what the hub says is moved by as much as a clock is off, and nothing else is", () => {
  const kinds = ["alert.firing", "machine.new", "samples.lost", "system.activated", "machinery.broken", "unit.alert"];
  const events = kinds.map((kind) => ({ kind, time: 50 }));
  const times = (one) => byItsClock(one, events).map(({ time }) => time);
  assert.deepEqual(times(machine(1600, 1000)), [650, 650, 650, 50, 50, 50]);
  assert.deepEqual(times(machine(400, 1000)), [-550, -550, -550, 50, 50, 50]);
  assert.deepEqual(times(machine(1030, 1000)), [50, 50, 50, 50, 50, 50]);
  assert.deepEqual(times(undefined), [50, 50, 50, 50, 50, 50]);
});

test("events are asked for since charts begin, by the clock that is there first", () => {
  assert.deepEqual(eventsWithin(machine(1600, 1000), [1300, 1600]), [700, 1600]);
  assert.deepEqual(eventsWithin(machine(400, 1000), [100, 400]), [100, 1000]);
  assert.deepEqual(eventsWithin(machine(400, 1000), [100, Infinity]), [100, Infinity]);
  assert.deepEqual(eventsWithin(undefined, [100, 200]), [100, 200]);
});

test("how long a machine is silent is by the hub's clock where it says so", () => {
  assert.equal(stateText(machine(400, 1000, "silent"), 1120), "silent 2 min");
  assert.equal(stateText(machine(1000, null, "silent"), 1120), "silent 2 min");
});

/** @param {Record<string, string>} facts */
const factsShown = (facts) => factsOf({ name: "a", agentVersion: "1", interval: 5, facts }).slice(0, -1);

test("of a NixOS machine there is what people need, without the paths", () => {
  const facts = {
    os: "NixOS 26.05",
    system: "/nix/store/3k2l-nixos-system-web1-26.05.1",
    generation: "43",
    revision: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d-dirty",
    nixos_label: "26.05.1",
    needs_reboot: "kernel, initrd, kernel modules",
    staged: "44",
    booted_kernel: "/nix/store/aaaa-linux-6.12.30/bzImage",
    current_kernel: "/nix/store/bbbb-linux-6.12.31/bzImage",
    booted_initrd: "/nix/store/cccc-initrd-linux/initrd",
    current_initrd: "/nix/store/dddd-initrd-linux/initrd",
    booted_kernel_modules: "/nix/store/eeee-linux-6.12.30-modules/lib",
    current_kernel_modules: "/nix/store/ffff-linux-6.12.31-modules/lib",
  };
  assert.deepEqual(factsShown(facts), [
    ["System", "NixOS 26.05"],
    ["Generation", "43"],
    [
      "Needs a reboot",
      "kernel (linux-6.12.30, then linux-6.12.31), initrd, " +
        "kernel modules (linux-6.12.30-modules, then linux-6.12.31-modules)",
    ],
    ["Next boot", "generation 44"],
    ["Configuration", "1a2b3c4d5e6f-dirty"],
    ["Release", "26.05.1"],
  ]);
});

test("a specialisation is named with its generation, and a system of none by its own name", () => {
  const system = "/nix/store/3k2l-nixos-system-web1-26.05.1";
  assert.deepEqual(factsShown({ system, generation: "43", specialisation: "travel" }), [["Generation", "43, travel"]]);
  assert.deepEqual(factsShown({ system }), [["Generation", "none, nixos-system-web1-26.05.1"]]);
});

test("what a machine makes up of parts and paths is only text", () => {
  const facts = { needs_reboot: "constructor, <b>", booted_kernel: "<img>", system: "x" };
  assert.deepEqual(factsShown(facts), [["Generation", "none, x"], ["Needs a reboot", "constructor, <b>"]]);
});

test("a boot time that is no number is left out", () => {
  const labels = (boot_time) =>
    factsOf({ name: "a", agentVersion: "1", interval: 5, facts: { os: "x", boot_time } }).map(([label]) => label);
  assert.deepEqual(labels("soon"), ["System", "Collector"]);
  assert.deepEqual(labels("1700000000"), ["System", "Booted", "Collector"]);
});
