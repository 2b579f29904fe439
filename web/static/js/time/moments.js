// @ts-check
/** Moments as people read them: in their own time, or in UTC. All are given in seconds since 1970. */

import { wallAt } from "./wall.js";

let inUtc = false;

/**
 * Write every moment in UTC from now on, or in the browser's own time.
 * @param {boolean} utc
 */
export function writeInUtc(utc) {
  inUtc = utc;
}

/** Whether moments are written in UTC. */
export function isInUtc() {
  return inUtc;
}

/**
 * Time of day, 24 hours: "21:07:35".
 * @param {number} seconds
 * @param {boolean} [withSeconds]
 */
export function clock(seconds, withSeconds = true) {
  const wall = wallAt(seconds, inUtc);
  const parts = [wall.hours, wall.minutes];
  if (withSeconds) parts.push(wall.seconds);
  return parts.map(twoDigits).join(":");
}

/**
 * Date and time: "2026-11-22 21:07".
 * @param {number} seconds
 */
export function dateTime(seconds) {
  return `${day(seconds)} ${clock(seconds, false)}`;
}

/**
 * Date: "2026-11-22".
 * @param {number} seconds
 */
export function day(seconds) {
  const wall = wallAt(seconds, inUtc);
  return `${wall.year}-${twoDigits(wall.month)}-${twoDigits(wall.day)}`;
}

/**
 * The moment that a date and a time of day mean in the zone that is written.
 * @param {string} text as an input of type datetime-local has it: "2026-11-22T21:07"
 * @returns {number | null} seconds, or null if it is none
 */
export function momentOf(text) {
  const seconds = Date.parse(inUtc ? `${text}Z` : text) / 1000;
  return Number.isNaN(seconds) ? null : seconds;
}

/** @param {number} number */
function twoDigits(number) {
  return String(number).padStart(2, "0");
}
