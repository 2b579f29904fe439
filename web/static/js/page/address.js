// @ts-check
/** What is looked at, as the query string keeps it: `?machine=web1&last=1h`. Pure functions. */

/** The time ranges on offer, in seconds. */
export const RANGES = /** @type {const} */ ({ "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400 });

/** @typedef {keyof typeof RANGES} RangeName */
/**
 * `machine` is null on the fleet page; `last` is the time range that charts show.
 * @typedef {{machine: string | null, last: RangeName}} View
 */

/** @type {RangeName} */
export const DEFAULT_RANGE = "15m";

/**
 * The view that a query string names; what it does not know is left at its default.
 * @param {string} search with or without "?"
 * @returns {View}
 */
export function parse(search) {
  const query = new URLSearchParams(search);
  const last = query.get("last") ?? "";
  return { machine: query.get("machine") || null, last: isRange(last) ? last : DEFAULT_RANGE };
}

/**
 * The address of a view, relative to the page; defaults are left out.
 * @param {View} view
 * @returns {string} "./" or "?machine=web1"
 */
export function format(view) {
  const query = new URLSearchParams();
  if (view.machine !== null) query.set("machine", view.machine);
  if (view.last !== DEFAULT_RANGE) query.set("last", view.last);
  const text = query.toString();
  return text ? `?${text}` : "./";
}

/**
 * @param {string} name
 * @returns {name is RangeName}
 */
function isRange(name) {
  return Object.hasOwn(RANGES, name);
}
