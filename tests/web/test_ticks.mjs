/** ticks.js, wall.js and moments.js on the days when clocks change, in a zone that does and in UTC. */
import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { ticks } = await import("../../web/static/js/time/ticks.js");
const { clock, dateTime, momentOf, writeInUtc } = await import("../../web/static/js/time/moments.js");

const HOUR = 3600;
const DAY = 24 * HOUR;
const at = (text) => Date.parse(text) / 1000;
/** The labels of a time, as the axis writes them. */
const labels = (from, to, step, utc, write = (time) => clock(time, false)) => {
  writeInUtc(utc);
  return ticks(at(from), at(to), step, utc).map(write);
};
const SPRING = ["2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z"];
const AUTUMN = ["2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z"];

test("in UTC no hour is left out or comes twice, whatever the browser's clock does", () => {
  assert.deepEqual(labels(...SPRING, HOUR, true), ["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]);
  assert.deepEqual(labels(...AUTUMN, HOUR, true), ["22:00", "23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]);
  assert.deepEqual(labels("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z", 6 * HOUR, true), ["00:00", "06:00", "12:00", "18:00", "00:00"]);
  assert.deepEqual(labels("2026-10-23T12:00:00Z", "2026-10-27T00:00:00Z", DAY, true, dateTime), [
    "2026-10-24 00:00", "2026-10-25 00:00", "2026-10-26 00:00", "2026-10-27 00:00",
  ]);
});

test("in local time the axis has the hours that the wall has", () => {
  assert.deepEqual(labels(...SPRING, HOUR, false), ["00:00", "01:00", "03:00", "04:00", "05:00", "06:00"]);
  assert.deepEqual(labels(...AUTUMN, HOUR, false), ["00:00", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00"]);
  assert.deepEqual(labels("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 2 * HOUR, false), [
    "00:00", "04:00", "06:00", "08:00", "10:00", "12:00", "14:00", "16:00", "18:00", "20:00", "22:00", "00:00",
  ]);
  assert.deepEqual(labels("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 6 * HOUR, false), ["00:00", "06:00", "12:00", "18:00", "00:00"]);
  assert.deepEqual(labels("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", DAY, false, dateTime), [
    "2026-03-28 00:00", "2026-03-29 00:00", "2026-03-30 00:00", "2026-03-31 00:00",
  ]);
});

test("days, months and years are the same ones wherever the time begins", () => {
  const days = (from) => labels(from, "2026-07-20T00:00:00Z", 5 * DAY, true, dateTime);
  assert.deepEqual(days("2026-07-01T00:00:00Z").slice(-2), days("2026-07-09T00:00:00Z").slice(-2));
  assert.deepEqual(labels("2026-01-15T00:00:00Z", "2026-08-01T00:00:00Z", 90 * DAY, false, dateTime), ["2026-04-01 00:00", "2026-07-01 00:00"]);
  assert.deepEqual(labels("2025-06-01T00:00:00Z", "2028-06-01T00:00:00Z", 365 * DAY, true, dateTime), [
    "2026-01-01 00:00", "2027-01-01 00:00", "2028-01-01 00:00",
  ]);
});

test("minutes are round where the clock is half an hour off", () => {
  process.env.TZ = "Asia/Kolkata";
  assert.deepEqual(labels("2026-03-28T23:10:00Z", "2026-03-29T01:00:00Z", HOUR, false), ["05:00", "06:00"]);
  process.env.TZ = "Europe/Berlin";
});

test("what is written is read as the same moment", () => {
  for (const utc of [true, false]) {
    writeInUtc(utc);
    for (const text of ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z", "2026-10-25T02:30:00Z"]) {
      assert.equal(momentOf(dateTime(at(text)).replace(" ", "T")), at(text), `${text} ${utc}`);
    }
  }
});
