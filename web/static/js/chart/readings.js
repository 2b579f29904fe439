// @ts-check
/** What a chart says of its series in numbers: at a moment, or over the time that it shows. Pure. */

/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {import("./drawn.js").ChartSeries} ChartSeries */
/**
 * `mean` is of the bucket, or the sample itself; `max` the greatest single reading, null where the mean says as much.
 * @typedef {{mean: number | null, max: number | null}} Reading
 */

/** @type {Reading} */
const NONE = { mean: null, max: null };

/**
 * One for each series.
 * @param {Timeline} timeline
 * @param {ChartSeries[]} series
 * @param {number} row
 * @returns {Reading[]}
 */
export function readingsAt(timeline, series, row) {
  return series.map(({ key }) => {
    const column = timeline.columns.get(key);
    if (!column) return NONE;
    return { mean: column.mean[row] ?? null, max: timeline.step ? (column.max[row] ?? null) : null };
  });
}

/**
 * The newest of each series, and the greatest that is shown.
 * @param {Timeline} timeline
 * @param {ChartSeries[]} series
 * @param {number} from seconds since 1970
 * @returns {Reading[]}
 */
export function newestReadings(timeline, series, from) {
  const first = Math.max(0, timeline.times.findIndex((time) => time + timeline.step / 2 >= from));
  const last = timeline.times.length - 1;
  return series.map(({ key }) => {
    const column = timeline.columns.get(key);
    return column ? { mean: column.mean[last] ?? null, max: greatest(column.max, first) } : NONE;
  });
}

/**
 * @param {(number | null)[]} values
 * @param {number} first row
 */
function greatest(values, first) {
  /** @type {number | null} */
  let found = null;
  for (let row = first; row < values.length; row += 1) {
    const value = values[row];
    if (value !== null && (found === null || value > found)) found = value;
  }
  return found;
}

/**
 * Which series read the most, by its greatest reading where there is one; null where nothing was read.
 * @param {Reading[]} readings
 * @returns {number | null}
 */
export function busiest(readings) {
  /** @type {number | null} */
  let found = null;
  let most = -Infinity;
  readings.forEach(({ mean, max }, at) => {
    const value = max ?? mean ?? -Infinity;
    if (value > most) [found, most] = [at, value];
  });
  return found;
}
