// @ts-check
/** What this browser's user prefers, kept in the browser: theme, zone of times, unit of network rates, and keys. */

const THEME = "sysmonstm.theme";
const ZONE = "sysmonstm.zone";
const RATES = "sysmonstm.rates";
const KEYS = "sysmonstm.keys";

/** @typedef {"system" | "light" | "dark"} Theme */

/** Asked once: numbers are written all the time. @type {boolean | null} */
let bits = null;
/** @type {Set<() => void>} */
const listeners = new Set();

/** theme-first.js reads it too, before the page is drawn. @returns {Theme} */
export function preferredTheme() {
  const theme = read(THEME);
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** @param {Theme} theme */
export function preferTheme(theme) {
  keep(THEME, theme);
}

/** Whether times are in UTC where the address does not say. */
export function prefersUtc() {
  return read(ZONE) === "utc";
}

/** @param {boolean} utc */
export function preferUtc(utc) {
  keep(ZONE, utc ? "utc" : "local");
}

/** Whether network rates are read in bits. */
export function prefersBits() {
  bits ??= read(RATES) === "bits";
  return bits;
}

/** @param {boolean} wanted */
export function preferBits(wanted) {
  bits = wanted;
  keep(RATES, wanted ? "bits" : "bytes");
  for (const listener of listeners) listener();
}

/** Whether single characters are keys of the page: who speaks to a browser, or hits keys unasked, has them off. */
export function prefersKeys() {
  return read(KEYS) !== "off";
}

/** @param {boolean} wanted */
export function preferKeys(wanted) {
  keep(KEYS, wanted ? "on" : "off");
}

/**
 * Hear when numbers are to be written otherwise. Returns how to stop.
 * @param {() => void} listener
 */
export function onUnitsChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * The unit that a metric's values are written in.
 * @param {string} metric
 * @param {string} unit of its declaration
 */
export function writtenUnit(metric, unit) {
  return unit === "bytes/s" && metric.startsWith("network.") && prefersBits() ? "bits/s" : unit;
}

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(key);
  } catch (error) {
    // Storage can be forbidden: then everything is at its default.
    if (!(error instanceof DOMException)) throw error;
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch (error) {
    // A browser that keeps nothing still shows this page as wished.
    if (!(error instanceof DOMException)) throw error;
  }
}
