// @ts-check
/** Numbers as people read them: binary bytes, percent, durations, counts. Pure functions of value and unit. */

export const NOTHING = "–";
const BYTE_PREFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const COUNT_PREFIXES = ["", "k", "M", "G", "T", "P"];
/** Bits of a byte: network rates can be read in either. */
const BITS = 8;
/** Below it two decimals say too little of a number. */
const SMALL = 0.00995;
/** As many digits write the ticks of an axis, which are round, but for thirds. */
const TICK_DIGITS = 4;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/**
 * A scale that suits a magnitude: divide by `divisor`, write `suffix` behind it.
 * @typedef {{divisor: number, suffix: string}} Scale
 */

/**
 * @param {number} magnitude
 * @param {number} base
 * @param {string[]} prefixes
 * @returns {{divisor: number, prefix: string}}
 */
function prefixFor(magnitude, base, prefixes) {
  let power = 0;
  // 999.5 would be written as "1000": it belongs to the next prefix.
  while (power < prefixes.length - 1 && magnitude / base ** power >= 999.5) power += 1;
  return { divisor: base ** power, prefix: prefixes[power] };
}

/**
 * @param {number} seconds
 * @returns {Scale}
 */
function durationScale(seconds) {
  if (seconds >= 2 * DAY) return { divisor: DAY, suffix: " d" };
  if (seconds >= 2 * HOUR) return { divisor: HOUR, suffix: " h" };
  if (seconds >= 2 * MINUTE) return { divisor: MINUTE, suffix: " min" };
  if (seconds >= 1 || seconds === 0) return { divisor: 1, suffix: " s" };
  if (seconds >= 0.001) return { divisor: 0.001, suffix: " ms" };
  return { divisor: 0.000001, suffix: " µs" };
}

/**
 * The scale in which numbers of about this magnitude are written.
 * @param {number} magnitude
 * @param {string} unit of the metric; "bits/s" writes a number of bytes/s in bits
 * @returns {Scale}
 */
export function scaleFor(magnitude, unit) {
  const size = Math.abs(magnitude);
  if (unit === "percent") return { divisor: 1, suffix: "%" };
  if (unit === "seconds") return durationScale(size);
  if (unit === "bytes" || unit === "bytes/s") {
    const { divisor, prefix } = prefixFor(size, 1024, BYTE_PREFIXES);
    return { divisor, suffix: ` ${prefix}B${unit === "bytes/s" ? "/s" : ""}` };
  }
  if (unit === "bits/s") {
    const { divisor, prefix } = prefixFor(size * BITS, 1000, COUNT_PREFIXES);
    return { divisor: divisor / BITS, suffix: ` ${prefix}bit/s` };
  }
  const { divisor, prefix } = prefixFor(size < 10000 ? 1 : size, 1000, COUNT_PREFIXES);
  const rest = unit === "count" ? "" : unit === "count/s" ? "/s" : ` ${unit}`;
  return { divisor, suffix: prefix ? ` ${prefix}${rest}` : rest };
}

/**
 * A number with about three digits that matter; whole numbers stay whole.
 * @param {number} value
 * @returns {string}
 */
function threeDigits(value) {
  const size = Math.abs(value);
  if (size >= 99.95 || size === 0) return value.toFixed(0);
  // Sizes come as float32: 64 GiB is not quite whole any more.
  if (Math.abs(value - Math.round(value)) < size * 1e-5) return value.toFixed(0);
  // Two decimals would write it as nothing.
  if (size < SMALL) return value.toPrecision(2);
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

/**
 * A value with its unit: "12.3%", "1.50 GiB", "340 KiB/s", "2.10 ms".
 * @param {number | null | undefined} value
 * @param {string} unit
 * @returns {string}
 */
export function format(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (unit === "percent") return `${value.toFixed(Math.abs(value) >= 99.95 ? 0 : 1)}%`;
  const { divisor, suffix } = scaleFor(value, unit);
  return threeDigits(value / divisor) + suffix;
}

/**
 * The labels of an axis: all in one scale, so that they compare at a glance. What is mirrored has no sign.
 * @param {number[]} values
 * @param {string} unit
 * @param {boolean} mirrored
 * @returns {string[]}
 */
export function axisLabels(values, unit, mirrored) {
  const { divisor, suffix } = scaleFor(Math.max(0, ...values.map(Math.abs)), unit);
  const scaled = values.map((value) => (mirrored ? Math.abs(value) : value) / divisor);
  const digits = decimalsOf(scaled);
  return scaled.map((one) => (one === 0 ? "0" : one.toFixed(digits) + suffix));
}

/**
 * How many decimals write all of them as they are; two where none do, as of thirds.
 * @param {number[]} values
 * @returns {number}
 */
function decimalsOf(values) {
  const largest = Math.max(...values.map(Math.abs));
  const most = Math.max(2, TICK_DIGITS - 1 - Math.floor(Math.log10(largest || 1)));
  for (let digits = 0; digits <= most; digits += 1) {
    if (values.every((one) => Math.abs(Number(one.toFixed(digits)) - one) <= Math.abs(one) * 1e-6)) return digits;
  }
  return 2;
}

/**
 * Distances between axis ticks that are round in the unit.
 * @param {string} unit
 * @returns {number[]}
 */
export function axisSteps(unit) {
  const binary = unit === "bytes" || unit === "bytes/s";
  const steps = [];
  if (binary) {
    for (let power = 0; power < 60; power += 1) steps.push(2 ** power);
  } else {
    const whole = unit === "bits/s" ? 1 / BITS : 1;
    for (let power = -7; power < 16; power += 1) for (const one of [1, 2, 2.5, 5]) steps.push(one * 10 ** power * whole);
  }
  return steps;
}

/**
 * A length of time in its two largest units: "3 d 4 h", "12 min", "8 s".
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return NOTHING;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return pair(Math.floor(whole / HOUR), "h", Math.floor((whole % HOUR) / MINUTE), "min");
  return pair(Math.floor(whole / DAY), "d", Math.floor((whole % DAY) / HOUR), "h");
}

/**
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 * @returns {string}
 */
function pair(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

/**
 * "1 machine", "2 machines".
 * @param {number} number
 * @param {string} noun
 * @returns {string}
 */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
