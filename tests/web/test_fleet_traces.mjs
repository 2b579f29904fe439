/** traces.js: the short traces of many machines, filled by a few questions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Machine } from "../../web/static/js/live/machine_state.js";
import { batchesOf, fillTraces } from "../../web/static/js/live/traces.js";

const NOW = 10_000;
const machine = (name, interval = 5, time = NOW, received = NOW) => Object.assign(new Machine(name), { interval, time, received });
const many = (number) => Array.from({ length: number }, (_, at) => machine(`m${at}`));
const valuesOf = (trace) => Array.from({ length: trace.length }, (_, at) => trace.value(at));

test("machines of one interval are asked for together, a hundred at a time", () => {
  const batches = batchesOf([...many(250), machine("slow", 60)], NOW);
  assert.deepEqual(batches.map((batch) => batch.machines.length), [100, 100, 50, 1]);
  assert.deepEqual(batches.map((batch) => [batch.from, batch.to]), [[9400, NOW], [9400, NOW], [9400, NOW], [2800, NOW]]);
});

test("a machine whose clock is off is asked for alone, by its own clock", () => {
  const batches = batchesOf([machine("a"), machine("b", 5, 4000), machine("c")], NOW);
  assert.deepEqual(batches.map((batch) => [batch.machines.map((one) => one.name), batch.to]), [[["a", "c"], NOW], [["b"], 4000]]);
});

const series = (name, instance, ...mean) => ({ machine: name, instance, min: mean, mean, max: mean });
const answer = (...all) => ({ step_seconds: 10, times: [9400, 9410, 9420], series: all, gaps: [], unknown: [] });
const HISTORY = {
  "cpu.percent": answer(series("a", "", 1, null, 3), series("b", "", 7, 8, 9)),
  "memory.percent": answer(series("a", "", 50, 51, 52)),
  "filesystem.percent": answer(series("a", "/", 40, 41, null), series("a", "/data", 30, 90, null), series("a", "/tmp", null, 5, null)),
  "network.received": answer(series("a", "eth0", 1, 2, null), series("a", "eth1", 10, null, null), series("a", "lo", 99, 99, 99)),
  "network.sent": answer(series("a", "eth0", 100, 200, null)),
};

test("each machine's traces are filled by one question a metric, traffic without the loopback interface, of file systems the fullest", async () => {
  const asked = [];
  const [a, b] = [machine("a"), machine("b")];
  const ask = async (question) => {
    asked.push(question);
    return HISTORY[question.metric] ?? null;
  };
  assert.equal(await fillTraces(batchesOf([a, b], NOW)[0], new AbortController().signal, ask), true);
  assert.equal(asked.length, 6);
  for (const { machines, from, to } of asked) assert.deepEqual([machines, from, to], [["a", "b"], 9400, NOW]);
  assert.deepEqual([a.cpuTrace, a.memoryTrace, a.trafficTrace, a.loadTrace].map(valuesOf), [[1, 3], [50, 51, 52], [111, 202], []]);
  assert.deepEqual(valuesOf(a.diskTrace), [40, 90]);
  assert.equal(a.cpuTrace.time(1), 9425);
  assert.deepEqual([b.cpuTrace, b.memoryTrace].map(valuesOf), [[7, 8, 9], []]);
});

test("without an answer traces stay, and it is told", async () => {
  const a = machine("a");
  a.cpuTrace.push(NOW, 5);
  assert.equal(await fillTraces(batchesOf([a], NOW)[0], new AbortController().signal, async () => null), false);
  assert.deepEqual(valuesOf(a.cpuTrace), [5]);
});
