// @ts-check
/**
 * Moments and what the clock on the wall shows at them, in the browser's own zone or in UTC, on the days too when summer
 * time begins and ends. Pure but for the zone that the browser is in.
 */

/** What a clock and a calendar show. `month` counts from 1. @typedef {{year: number, month: number, day: number, hours: number, minutes: number, seconds: number}} Wall */

/**
 * @param {number} moment seconds since 1970
 * @param {boolean} utc
 * @returns {Wall}
 */
export function wallAt(moment, utc) {
  const date = new Date(moment * 1000);
  const [year, month, day] = utc
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
    : [date.getFullYear(), date.getMonth(), date.getDate()];
  const [hours, minutes, seconds] = utc
    ? [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getHours(), date.getMinutes(), date.getSeconds()];
  return { year, month: month + 1, day, hours, minutes, seconds };
}

/**
 * When a clock shows this; a day or month too many is one of the next. Of two moments it is the first; an hour that is left
 * out is the one after it.
 * @param {boolean} utc
 * @param {number} year
 * @param {number} month counts from 1
 * @param {number} [day]
 * @param {number} [hours]
 * @returns {number} seconds since 1970
 */
export function momentAt(utc, year, month, day = 1, hours = 0) {
  const milliseconds = utc ? Date.UTC(year, month - 1, day, hours) : new Date(year, month - 1, day, hours).getTime();
  return milliseconds / 1000;
}

/**
 * How far the clock is ahead of UTC.
 * @param {number} moment seconds since 1970
 * @param {boolean} utc
 * @returns {number} seconds
 */
export function ahead(moment, utc) {
  return utc ? 0 : -60 * new Date(moment * 1000).getTimezoneOffset();
}
