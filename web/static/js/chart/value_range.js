// @ts-check
/** From which value to which an axis goes. Pure. */

/** What stays free above the greatest reading, and above a threshold. */
const HEADROOM = 1.08;
const THRESHOLD_HEADROOM = 1.12;

/**
 * @param {{form: import("../machine/charts.js").Form, atLeast?: number, top?: number}} spec
 * @param {string} unit that values are written in
 * @param {number} rows of a heat map
 * @param {number | null} least that was read
 * @param {number | null} most that was read
 * @returns {[number, number]}
 */
export function valueRange(spec, unit, rows, least, most) {
  if (spec.form === "heat") return [0, rows];
  const floor = spec.atLeast ?? Number.EPSILON;
  if (spec.form === "mirror") {
    return [Math.min(-floor, (least ?? 0) * HEADROOM), Math.max(floor, (most ?? 0) * HEADROOM)];
  }
  return [Math.min(0, least ?? 0), spec.top && (most ?? 0) <= spec.top ? spec.top : roomAbove(most ?? 1, HEADROOM, unit, floor)];
}

/**
 * Such a range, made so wide that a threshold is in sight.
 * @param {[number, number]} range
 * @param {number} threshold
 * @param {string} unit
 * @returns {[number, number]}
 */
export function withThreshold([low, high], threshold, unit) {
  return [Math.min(low, threshold), Math.max(high, roomAbove(threshold, threshold > 0 ? THRESHOLD_HEADROOM : 1, unit, threshold))];
}

/**
 * Of a share nothing is free above 100, but what a program reports may be more.
 * @param {number} value
 * @param {number} headroom
 * @param {string} unit
 * @param {number} floor
 */
function roomAbove(value, headroom, unit, floor) {
  const above = Math.max(floor, value * headroom);
  return unit === "percent" && value <= 100 ? Math.min(100, above) : above;
}
