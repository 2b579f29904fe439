// @ts-check
/**
 * Which time charts show: the last so much, or from one moment to another, as the query string keeps it:
 * `last=1h`, or `from=2026-11-30T06:00:00Z&to=2026-11-30T07:30:00Z`, and `zone=utc`. Pure functions.
 */

/** The ranges on offer that end at the present, in seconds. */
export const RANGES = /** @type {const} */ ({
  "5m": 300,
  "15m": 900,
  "1h": 3600,
  "6h": 21600,
  "24h": 86400,
  "7d": 604800,
  "30d": 2592000,
  "90d": 7776000,
  "1y": 31536000,
});

/** @typedef {keyof typeof RANGES} RangeName */
/** Seconds since 1970, from before to. @typedef {[from: number, to: number]} Span */
/**
 * `fixed` is null while charts end at the present and move on with it; `utc` says that times are shown in UTC.
 * @typedef {{last: RangeName, fixed: Span | null, utc: boolean}} TimeChoice
 */

/** @type {RangeName} */
export const DEFAULT_RANGE = "15m";
/** Less than this shows no more. */
export const SHORTEST_SECONDS = 10;
export const LONGEST_SECONDS = 10 * RANGES["1y"];
/** The end of 2099, as the gateway has it. */
export const LATEST = 4_102_444_800;

/**
 * What it does not know is left at its default.
 * @param {URLSearchParams} query
 * @param {boolean} utc whether times are in UTC where it does not say
 * @returns {TimeChoice}
 */
export function readTime(query, utc) {
  const last = query.get("last") ?? "";
  const [from, to] = [moment(query.get("from")), moment(query.get("to"))];
  const fixed = from !== null && to !== null && from < to && to - from <= LONGEST_SECONDS;
  return {
    last: isRange(last) ? last : DEFAULT_RANGE,
    fixed: fixed ? [from, to] : null,
    utc: query.has("zone") ? query.get("zone") === "utc" : utc,
  };
}

/**
 * Defaults are left out.
 * @param {URLSearchParams} query
 * @param {TimeChoice} time
 */
export function writeTime(query, { last, fixed, utc }) {
  if (fixed) {
    query.set("from", isoOf(fixed[0]));
    query.set("to", isoOf(fixed[1]));
  }
  // Kept beside a fixed range: it is where "live" leads back to.
  if (last !== DEFAULT_RANGE) query.set("last", last);
  if (utc) query.set("zone", "utc");
}

/**
 * Where the shown span lies after a step, kept inside of what can be asked for.
 * @param {Span} span
 * @param {number} share of its length; less than 0 is back in time
 * @param {number} now seconds since 1970: there is nothing after it
 * @returns {Span}
 */
export function panned([from, to], share, now) {
  const length = to - from;
  const step = Math.max(-from, Math.min(length * share, Math.max(0, now - to)));
  return [from + step, to + step];
}

/**
 * The span made longer or shorter.
 * @param {Span} span
 * @param {number} factor above 1 shows more
 * @param {number} around seconds since 1970: the moment that stays where it is
 * @param {number} now seconds since 1970: there is nothing after it
 * @returns {Span}
 */
export function zoomed([from, to], factor, around, now) {
  const length = Math.max(SHORTEST_SECONDS, Math.min(LONGEST_SECONDS, (to - from) * factor));
  const before = (around - from) / (to - from);
  const start = Math.max(0, Math.min(around - before * length, now - length));
  return [start, start + length];
}

/** Two fingers on a chart, in shares of its width: the middle between them, and how far they are apart. @typedef {{centre: number, apart: number}} Held */

/** Fingers that come closer, or cross, pinch no further. */
const CLOSEST = 0.02;

/**
 * The span whose moments lie under two fingers still, after these have moved.
 * @param {Span} span that was shown when they came down
 * @param {Held} before
 * @param {Held} after
 * @param {number} now seconds since 1970: there is nothing after it
 * @returns {Span}
 */
export function pinched([from, to], before, after, now) {
  const held = from + before.centre * (to - from);
  const factor = Math.max(CLOSEST, before.apart) / Math.max(CLOSEST, after.apart);
  const length = Math.max(SHORTEST_SECONDS, Math.min(LONGEST_SECONDS, (to - from) * factor));
  const start = Math.max(0, Math.min(held - after.centre * length, now - length));
  return [start, start + length];
}

/**
 * A span that someone drew, in whole seconds, not shorter than what shows something.
 * @param {number} one seconds since 1970
 * @param {number} other seconds since 1970
 * @returns {Span}
 */
export function drawnSpan(one, other) {
  const middle = (one + other) / 2;
  const half = Math.max(SHORTEST_SECONDS, Math.abs(one - other)) / 2;
  return [Math.max(0, Math.round(middle - half)), Math.round(middle + half)];
}

/**
 * "2026-11-30T06:00:00Z", in UTC, to the second.
 * @param {number} seconds since 1970
 */
export function isoOf(seconds) {
  return new Date(Math.round(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

/**
 * @param {string | null} text ISO 8601, or seconds since 1970
 * @returns {number | null} seconds since 1970
 */
function moment(text) {
  if (!text) return null;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000;
  return seconds >= 0 && seconds <= LATEST ? seconds : null;
}

/**
 * @param {string} name
 * @returns {name is RangeName}
 */
function isRange(name) {
  return Object.hasOwn(RANGES, name);
}
