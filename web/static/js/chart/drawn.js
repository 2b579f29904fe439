// @ts-check
/** Turns a chart's timeline into the columns that uPlot draws: bands, stacks and mirrors. Pure. */

/** @typedef {import("../machine/charts.js").ChartSpec} ChartSpec */
/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {(number | null)[]} Values */

/**
 * One series of a chart. `colour` counts from 0, -1 is neutral; `down` draws it below zero; `stacked` adds it to those before.
 * @typedef {{key: string, label: string, colour: number, down: boolean, stacked: boolean}} ChartSeries
 */
/**
 * One column: what of which series. `series` is an index into the chart's series.
 * @typedef {{series: number, part: "line" | "high" | "low"}} ColumnRole
 */

/** With more series than this, bands would hide each other. */
const MOST_BANDS = 8;

/**
 * What each column after the times holds: stacked series first, so that lines lie over them.
 * @param {ChartSpec} spec
 * @param {ChartSeries[]} series
 * @returns {ColumnRole[]}
 */
export function columnRoles(spec, series) {
  const every = series.map((_, at) => at);
  const stacked = every.filter((at) => series[at].stacked);
  const lines = every.filter((at) => !series[at].stacked);
  const banded = spec.form !== "heat" && lines.length <= MOST_BANDS ? lines : [];
  return [
    ...stacked.map((at) => ({ series: at, part: /** @type {const} */ ("line") })),
    ...banded.map((at) => ({ series: at, part: /** @type {const} */ ("high") })),
    ...banded.map((at) => ({ series: at, part: /** @type {const} */ ("low") })),
    ...lines.map((at) => ({ series: at, part: /** @type {const} */ ("line") })),
  ];
}

/**
 * The pairs of columns between which there is colour; `upper` and `lower` index the roles.
 * @param {ColumnRole[]} roles
 * @param {ChartSeries[]} series
 * @returns {{upper: number, lower: number}[]}
 */
export function filledBetween(roles, series) {
  const found = [];
  for (let at = 0; at < roles.length; at += 1) {
    const role = roles[at];
    if (role.part === "high") {
      const low = roles.findIndex((other) => other.series === role.series && other.part === "low");
      found.push({ upper: at, lower: low });
    } else if (role.part === "line" && series[role.series].stacked && at > 0) {
      found.push({ upper: at, lower: at - 1 });
    }
  }
  return found;
}

/**
 * The numbers of each column, as long as the timeline's times.
 * @param {Timeline} timeline
 * @param {ColumnRole[]} roles
 * @param {ChartSeries[]} series
 * @returns {Values[]}
 */
export function columnsOf(timeline, roles, series) {
  const nothing = /** @type {Values} */ (new Array(timeline.times.length).fill(null));
  /** @type {Values | null} */
  let below = null;
  return roles.map((role) => {
    const one = series[role.series];
    const column = timeline.columns.get(one.key);
    if (!column) return nothing;
    if (one.stacked) return (below = below === null ? column.mean : sum(below, column.mean));
    if (role.part === "line") return one.down ? negated(column.mean) : column.mean;
    const outer = (role.part === "high") === one.down ? column.min : column.max;
    return one.down ? negated(outer) : outer;
  });
}

/**
 * @param {Values} left
 * @param {Values} right
 * @returns {Values}
 */
function sum(left, right) {
  return left.map((value, at) => {
    const other = right[at];
    return value === null || other === null ? null : value + other;
  });
}

/**
 * @param {Values} values
 * @returns {Values}
 */
function negated(values) {
  return values.map((value) => (value === null ? null : -value));
}
