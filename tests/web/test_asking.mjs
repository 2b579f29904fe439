/** connection.js, history.js, alerts.js, mention.js: what is asked of the gateway, and when it is given up. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ranked } from "../../web/static/js/alerts/ranked.js";
import { answerOf } from "../../web/static/js/live/asking.js";
import { Connection } from "../../web/static/js/live/connection.js";
import { fetchHistory } from "../../web/static/js/chart/history.js";
import { aroundName } from "../../web/static/js/events/around_name.js";
import { Store } from "../../web/static/js/live/store.js";

/** A socket that says what the test says. */
class Socket extends EventTarget {
  static OPEN = 1;
  static made = [];
  readyState = 1;
  sent = [];
  constructor(address) {
    super();
    this.address = address;
    Socket.made.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  say(message) {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }
}

/** An open connection; its time passes by `mock.timers.tick`. */
function connected() {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.WebSocket = Socket;
  globalThis.addEventListener = () => {};
  globalThis.document = { addEventListener: () => {} };
  const store = new Store(() => {});
  const connection = new Connection("ws://hub/ws", store);
  connection.open();
  const socket = Socket.made.at(-1);
  socket.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [] });
  return { store, socket, connection };
}

test("once a beat was heard, twelve seconds without a message are the end of the link", () => {
  const { store, socket } = connected();
  socket.say({ type: "beat", time: 1000 });
  mock.timers.tick(11_999);
  socket.say({ type: "beat", time: 1012 });
  mock.timers.tick(11_999);
  assert.equal(store.link.state, "open");
  mock.timers.tick(1);
  assert.equal(store.link.state, "closed");
  mock.timers.reset();
});

test("a link that follows one that was given up is given more time, and says meanwhile that nothing comes", () => {
  const { store, socket, connection } = connected();
  socket.say({ type: "beat", time: 1000 });
  mock.timers.tick(12_000);
  connection.retryNow();
  const next = Socket.made.at(-1);
  assert.notEqual(next, socket);
  // Its first word, a large one, may take twice as long as before.
  mock.timers.tick(20_000);
  mock.timers.tick(19_000);
  assert.equal(connection.socket, next);
  next.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [] });
  next.say({ type: "beat", time: 1000 });
  mock.timers.tick(12_000);
  assert.deepEqual([store.link.state, store.stale], ["quiet", true]);
  next.say({ type: "beat", time: 1000 });
  assert.deepEqual([store.link.state, store.stale, connection.socket], ["open", false, next]);
  mock.timers.tick(12_000);
  mock.timers.tick(12_000);
  assert.deepEqual([store.link.state, connection.socket], ["closed", null]);
  mock.timers.reset();
});

test("what a slow page has skipped is asked for once it is stored, and not all the time", () => {
  const { store, socket } = connected();
  const skipped = { type: "frames", skipped: true, frames: [] };
  const before = store.generation;
  socket.say({ type: "frames", frames: [] });
  mock.timers.tick(10_000);
  assert.equal(store.generation, before);
  socket.say(skipped);
  socket.say(skipped);
  mock.timers.tick(4_000);
  assert.equal(store.generation, before);
  mock.timers.tick(2_000);
  assert.equal(store.generation, before + 1);
  socket.say(skipped);
  mock.timers.tick(10_000);
  assert.equal(store.generation, before + 1);
  socket.say({ type: "beat", time: 1 });
  for (let second = 0; second < 55; second += 5) {
    mock.timers.tick(5_000);
    socket.say({ type: "beat", time: 1 });
  }
  assert.equal(store.generation, before + 2);
  mock.timers.reset();
});

test("where nothing is told of when to ask again, it is soon; else it is when the gateway says, and said", async () => {
  const answers = (detail, headers) => {
    globalThis.fetch = async () => new Response(JSON.stringify({ detail }), { status: 503, headers });
    return answerOf("api/events").catch((error) => error);
  };
  const soon = await answers("PostgreSQL is away", {});
  assert.equal(soon.told("Past events", true), "Past events cannot be read: PostgreSQL is away. Trying again.");
  assert.ok(soon.again >= 5_000 && soon.again <= 7_500);
  const later = await answers("PostgreSQL took longer than 5 s", { "Retry-After": "60" });
  assert.equal(later.told("History"), "History cannot be read: PostgreSQL took longer than 5 s. Trying again after 60 s.");
  assert.ok(later.again >= 60_000 && later.again <= 90_000);
  // A timer of a browser holds no month: it would ask at once, and again and again.
  const never = await answers("", { "Retry-After": "2592000" });
  assert.ok(never.again <= 900_000);
});

test("a gateway without beats is asked before it is given up", () => {
  const { store, socket } = connected();
  mock.timers.tick(20_000);
  assert.deepEqual([store.link.state, socket.sent], ["open", [{ type: "subscribe", machines: null, metrics: null }]]);
  mock.timers.tick(20_000);
  assert.equal(store.link.state, "closed");
  mock.timers.reset();
});

test("what is followed is asked for in the address, and by a message once it changes", () => {
  const { socket } = connected();
  assert.equal(socket.address, "ws://hub/ws");
  const connection = new Connection("ws://hub/ws", new Store(() => {}));
  const addressOf = (subscription) => {
    connection.subscribe(subscription);
    connection.open();
    return Socket.made.at(-1).address;
  };
  const metrics = ["cpu.percent", "memory.percent"];
  assert.equal(addressOf({ machines: null, metrics }), "ws://hub/ws?metrics=cpu.percent%2Cmemory.percent");
  assert.equal(addressOf({ machines: ["web1"], metrics: null }), "ws://hub/ws?machines=web1");
  assert.equal(addressOf({ machines: ["a,b&c"], metrics: null }), "ws://hub/ws");
  const asking = Socket.made.at(-1);
  asking.dispatchEvent(new Event("open"));
  assert.deepEqual(asking.sent, [{ type: "subscribe", machines: ["a,b&c"], metrics: null }]);
  connection.subscribe({ machines: null, metrics: null });
  assert.equal(asking.sent.length, 2);
  mock.timers.reset();
});

test("what the gateway refuses is said, everything is asked for in its place, and later the same again", () => {
  const warn = mock.method(console, "warn", () => {});
  const { store, socket, connection } = connected();
  const metrics = ["memory.percent", "cpu.percent"];
  connection.subscribe({ machines: null, metrics });
  socket.say({ type: "error", detail: "too many" });
  assert.deepEqual(warn.mock.calls.map((call) => call.arguments), [["the gateway says: too many"]]);
  assert.equal(store.refusal, "too many");
  socket.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [], metrics: null });
  assert.equal(store.refusal, "too many");
  mock.timers.tick(19_000);
  socket.say({ type: "beat", time: 1019 });
  mock.timers.tick(11_000);
  const wish = { type: "subscribe", machines: null, metrics };
  assert.deepEqual(socket.sent, [wish, { type: "subscribe", machines: null, metrics: null }, wish]);
  socket.say({ type: "error", detail: "too many" });
  assert.equal(socket.sent.length, 3);
  // Nobody has asked for this one: it is what the gateway itself has missed.
  const before = store.generation;
  socket.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [], metrics: null });
  assert.equal(store.generation, before + 1);
  socket.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [], metrics: [...metrics].sort() });
  assert.equal(store.refusal, "");
  warn.mock.restore();
  mock.timers.reset();
});

test("where the address asks for what is refused, everything has come already and is not asked for again", () => {
  const warn = mock.method(console, "warn", () => {});
  const { connection, store } = connected();
  connection.subscribe({ machines: null, metrics: ["cpu.percent"] });
  connection.open();
  const socket = Socket.made.at(-1);
  socket.say({ type: "snapshot", time: 1000, live: true, layouts: {}, machines: [], metrics: null });
  socket.say({ type: "error", detail: "too many" });
  assert.deepEqual([store.refusal, socket.sent], ["too many", []]);
  warn.mock.restore();
  mock.timers.reset();
});

test("never are more than four questions for history under way, also when one comes as another ends", async () => {
  let running = 0;
  let most = 0;
  globalThis.fetch = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return { ok: true, json: () => ({}) };
  };
  const ask = () => fetchHistory("a", "cpu.percent", 0, 1, new AbortController().signal, 10);
  await Promise.all(Array.from({ length: 30 }, () => ask().then(ask)));
  assert.equal(most, 4);
  await ask();
});

test("alerts that fire are ranked by severity, then by age; a severity that is not known comes last", () => {
  const alert = (severity, since, state = "firing") => ({ severity, since, state });
  const given = [alert("odd", 9), alert("info", 1), alert("critical", 1), alert("warning", 5), alert("critical", 2)];
  const found = ranked([...given, alert("critical", 3, "pending")]).map(({ severity, since }) => [severity, since]);
  assert.deepEqual(found, [["critical", 2], ["critical", 1], ["warning", 5], ["info", 1], ["odd", 9]]);
});

test("a sentence names its machine once", () => {
  assert.deepEqual(aroundName("CPU of web1 is busy", "web1"), ["CPU of ", " is busy"]);
  assert.deepEqual(aroundName("CPU is busy", "web1"), ["", ": CPU is busy"]);
  assert.deepEqual(aroundName("web1.service has failed", "web1"), ["", ": web1.service has failed"]);
  assert.deepEqual(aroundName("my-web1 is not web1: it is", "web1"), ["my-web1 is not ", ": it is"]);
});
