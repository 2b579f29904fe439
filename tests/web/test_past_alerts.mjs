/** past_alerts.js: how many alerts that come live are kept, and that what is let go of can be had again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_KEPT, PAGE, PastAlerts } from "../../web/static/js/alerts/past_alerts.js";

const NOW = 1_000_000;
const event = (id) => ({ id, time: NOW + id, kind: "alert.firing", severity: "warning", machine: "a", message: `number ${id}`, fields: {} });
/** As the gateway pages: newest first, before a time, and of that time itself those of a smaller id. */
const page = (events, query) => {
  const [to, before, limit] = ["to", "before", "limit"].map((name) => (query.has(name) ? Number(query.get(name)) : null));
  const earlier = events.filter((one) => one.time < to || (before !== null && one.time === to && one.id < before));
  return earlier.sort((a, b) => b.time - a.time || b.id - a.id).slice(0, limit);
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("what comes live for days does not pile up, and the oldest is asked for again", async () => {
  const asked = [];
  globalThis.fetch = async (address) => {
    const query = new URL(address, "http://hub/").searchParams;
    asked.push(Number(query.get("to")));
    const events = Array.from({ length: 5 * MOST_KEPT }, (_, at) => event(at));
    return { ok: true, json: async () => ({ events: asked.length === 1 ? [] : page(events, query) }) };
  };
  const past = new PastAlerts(() => {});
  past.begin({ severity: "", machine: "", text: "" }, [NOW - 60, NOW]);
  await settled();
  assert.deepEqual([past.state, past.whole], ["known", true]);
  for (let id = 0; id < 5 * MOST_KEPT; id += 10) past.addLive(Array.from({ length: 10 }, (_, at) => event(id + at)));
  assert.equal(past.known.size, MOST_KEPT);
  assert.deepEqual([past.byTime[0].id, past.byTime.at(-1).id, past.whole], [5 * MOST_KEPT - 1, 4 * MOST_KEPT, false]);
  while (past.wanted <= MOST_KEPT) past.wanted += PAGE;
  past.more();
  await settled();
  assert.deepEqual(past.byTime.map((one) => one.id), [...past.byTime.keys()].map((at) => 5 * MOST_KEPT - 1 - at), "without a hole");
  assert.ok(past.byTime.length > MOST_KEPT);
});

test("all that happened at one moment are listed, however many they are", async () => {
  const events = Array.from({ length: 700 }, (_, id) => ({ ...event(id), time: NOW }));
  globalThis.fetch = async (address) => {
    const query = new URL(address, "http://hub/").searchParams;
    return { ok: true, json: async () => ({ events: page(events, query) }) };
  };
  const past = new PastAlerts(() => {});
  past.begin({ severity: "", machine: "", text: "" }, [NOW - 60, NOW + 60]);
  await settled();
  while (past.wanted < 700) {
    past.more();
    await settled();
  }
  past.more();
  await settled();
  assert.deepEqual([past.known.size, past.whole], [700, true]);
});
