// @ts-check
/** The moments that a time axis has labels at: round ones on the wall's clock and calendar. Pure. */

import { ahead, momentAt, wallAt } from "./wall.js";

const HOUR = 3600;
const DAY = 86400;
/** As uPlot counts them, which offers the steps. */
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;

/**
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 * @param {number} step about how many seconds lie between two
 * @param {boolean} utc whether the clock is that of UTC, or the browser's
 * @returns {number[]} ascending
 */
export function ticks(from, to, step, utc) {
  return allTicks(from, to, step, utc).filter((time) => time >= from && time <= to);
}

/**
 * Some may lie outside.
 * @param {number} from
 * @param {number} to
 * @param {number} step
 * @param {boolean} utc
 */
function allTicks(from, to, step, utc) {
  if (step >= YEAR) return yearly(from, to, Math.round(step / YEAR), utc);
  if (step >= MONTH) return monthly(from, to, Math.round(step / MONTH), utc);
  if (step >= DAY) return daily(from, to, Math.round(step / DAY), utc);
  if (step > HOUR) return hourly(from, to, Math.round(step / HOUR), utc);
  return even(from, to, step, utc);
}

/**
 * Every so many years.
 * @param {number} from
 * @param {number} to
 * @param {number} every
 * @param {boolean} utc
 */
function yearly(from, to, every, utc) {
  const first = Math.floor(wallAt(from, utc).year / every) * every;
  return until(to, (turn) => momentAt(utc, first + turn * every, 1));
}

/**
 * The first days of every so many months.
 * @param {number} from
 * @param {number} to
 * @param {number} every a divisor of 12
 * @param {boolean} utc
 */
function monthly(from, to, every, utc) {
  const { year, month } = wallAt(from, utc);
  const first = Math.floor((month - 1) / every) * every + 1;
  return until(to, (turn) => momentAt(utc, year, first + turn * every));
}

/**
 * The midnights of every so many days, always the same ones.
 * @param {number} from
 * @param {number} to
 * @param {number} every
 * @param {boolean} utc
 */
function daily(from, to, every, utc) {
  const { year, month, day } = wallAt(from, utc);
  const before = (Date.UTC(year, month - 1, day) / 1000 / DAY) % every;
  return until(to, (turn) => momentAt(utc, year, month, day - before + turn * every));
}

/**
 * Every so many hours of each day, but for an hour that the clock leaves out.
 * @param {number} from
 * @param {number} to
 * @param {number} every a divisor of 24
 * @param {boolean} utc
 */
function hourly(from, to, every, utc) {
  const { year, month, day } = wallAt(from, utc);
  const shown = (/** @type {number} */ turn) => momentAt(utc, year, month, day, turn * every);
  return until(to, shown).filter((time, turn) => wallAt(time, utc).hours === (turn * every) % 24);
}

/**
 * So that minutes and hours are round on the wall. An hour that comes twice has its labels twice.
 * @param {number} from
 * @param {number} to
 * @param {number} step a divisor of an hour
 * @param {boolean} utc
 */
function even(from, to, step, utc) {
  const offset = ahead(from, utc) % HOUR;
  const first = Math.floor((from + offset) / step) * step - offset;
  return until(to, (turn) => first + turn * step);
}

/**
 * @param {number} to
 * @param {(turn: number) => number} of ascending
 */
function until(to, of) {
  const found = [];
  for (let turn = 0; of(turn) <= to; turn += 1) found.push(of(turn));
  return found;
}
