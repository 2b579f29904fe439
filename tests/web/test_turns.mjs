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
const chart = (name, milliseconds = 0) => ({
  drawNow() {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
    drawn.push(name);
  },
});
const soon = () => new Promise((done) => setTimeout(done, 50));

test("each is drawn once, however often it was asked for, and none that is gone", async () => {
  drawn.length = 0;
  const [one, gone, other] = ["one", "gone", "other"].map((name) => chart(name));
  for (const each of [one, gone, one, other, one]) drawInTurn(each);
  dropTurn(gone);
  assert.deepEqual(drawn, []);
  await soon();
  assert.deepEqual(drawn, ["one", "other"]);
  drawInTurn(one);
  await soon();
  assert.deepEqual(drawn, ["one", "other", "one"]);
});

test("what takes long leaves room for others before the next", async () => {
  const tasksFor = async (milliseconds) => {
    [tasks, drawn.length] = [0, 0];
    for (const name of ["one", "other"]) drawInTurn(chart(name, milliseconds));
    await soon();
    assert.deepEqual(drawn, ["one", "other"]);
    return tasks;
  };
  assert.deepEqual([await tasksFor(0), await tasksFor(15)], [1, 2]);
});

test("what cannot be drawn holds up nobody", async () => {
  drawn.length = 0;
  const thrown = [];
  // Those of the test runner would take it for a failure of this test.
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => thrown.push(error.message));
  drawInTurn({ drawNow: () => { throw new Error("odd"); } });
  drawInTurn(chart("other"));
  await soon();
  process.removeAllListeners("unhandledRejection");
  for (const other of others) process.on("unhandledRejection", other);
  assert.deepEqual([drawn, thrown], [["other"], ["odd"]]);
});
