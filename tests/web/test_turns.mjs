/** turns.js: charts are drawn a few at a time, each once, whatever one of them comes to. */
import assert from "node:assert/strict";
import { after, test } from "node:test";

// The port that it listens on would keep this process alive.
const ports = [];
let tasks = 0;
const Channel = globalThis.MessageChannel;
globalThis.MessageChannel = class {
  constructor() {
    const { port1, port2 } = new Channel();
    ports.push(port1);
    Object.assign(this, { port1, port2: { postMessage: (message) => (tasks += 1, port2.postMessage(message)) } });
  }
};
const { drawInTurn, dropTurn } = await import("../../web/static/js/chart/turns.js");
after(() => ports.forEach((port) => port.close()));

const drawn = [];
// No other process takes time from what is drawn here.
let clock = 0;
performance.now = () => clock;
const chart = (name, milliseconds = 0) => ({
  drawNow() {
    clock += milliseconds;
    drawn.push(name);
  },
});
/** Wait until so many are drawn. */
const until = async (number) => {
  while (drawn.length < number) await new Promise((done) => setImmediate(done));
};

test("each is drawn once, however often it was asked for, and none that is gone", async () => {
  drawn.length = 0;
  const [one, gone, other] = ["one", "gone", "other"].map((name) => chart(name));
  for (const each of [one, gone, one, other, one]) drawInTurn(each);
  dropTurn(gone);
  assert.deepEqual(drawn, []);
  await until(2);
  assert.deepEqual(drawn, ["one", "other"]);
  drawInTurn(one);
  await until(3);
  assert.deepEqual(drawn, ["one", "other", "one"]);
});

test("what takes long leaves room for others before the next", async () => {
  const tasksFor = async (milliseconds) => {
    [tasks, drawn.length] = [0, 0];
    for (const name of ["one", "other"]) drawInTurn(chart(name, milliseconds));
    await until(2);
    assert.deepEqual(drawn, ["one", "other"]);
    return tasks;
  };
  assert.deepEqual([await tasksFor(0), await tasksFor(15)], [1, 2]);
});

test("what cannot be drawn holds up nobody", async () => {
  drawn.length = 0;
  const thrown = [];
  // The runner takes for a failure of the file what nobody handles.
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => thrown.push(error.message));
  drawInTurn({ drawNow: () => { throw new Error("odd"); } });
  drawInTurn(chart("other"));
  await until(1);
  process.removeAllListeners("unhandledRejection");
  for (const one of listeners) process.on("unhandledRejection", one);
  assert.deepEqual([drawn, thrown], [["other"], ["odd"]]);
});
