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
 * One column: what of which series. `series` is an index into the chart's series, -1 is all that are drawn as lines. A
 * "peak" is how high one of a stack reached over those below it; "crest" and "trough" are the outermost of all lines.
 * @typedef {{series: number, part: "line" | "high" | "low" | "peak" | "crest" | "trough"}} ColumnRole
 */

/** With more series than this, bands would hide each other: what they reach together is drawn instead. */
const MOST_BANDS = 8;

/**
 * What each column after the times holds: stacked series first, so that lines lie over them. Whatever the form, the
 * greatest readings are in it, as a mean over a long bucket says nothing of a spike.
 * @param {ChartSpec} spec
 * @param {ChartSeries[]} series
 * @returns {ColumnRole[]}
 */
export function columnRoles(spec, series) {
  const every = series.map((_, at) => at);
  if (spec.form === "heat") return every.map((at) => role(at, "high"));
  const stacked = every.filter((at) => series[at].stacked);
  const lines = every.filter((at) => !series[at].stacked);
  return [
    ...stacked.map((at) => role(at, "line")),
    ...stacked.map((at) => role(at, "peak")),
    ...outerRoles(lines, series),
    ...lines.map((at) => role(at, "line")),
  ];
}

/**
 * @param {number} series
 * @param {ColumnRole["part"]} part
 * @returns {ColumnRole}
 */
const role = (series, part) => ({ series, part });

/**
 * @param {number[]} lines
 * @param {ChartSeries[]} series
 * @returns {ColumnRole[]}
 */
function outerRoles(lines, series) {
  if (lines.length <= MOST_BANDS) return [...lines.map((at) => role(at, "high")), ...lines.map((at) => role(at, "low"))];
  return lines.some((at) => series[at].down) ? [role(-1, "crest"), role(-1, "trough")] : [role(-1, "crest")];
}

/**
 * Whether there are too many lines for a band around each.
 * @param {ColumnRole[]} roles
 */
export function isCrowded(roles) {
  return roles.some((one) => one.part === "crest");
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
    const { series: of, part } = roles[at];
    if (part === "high") {
      const low = roles.findIndex((other) => other.series === of && other.part === "low");
      found.push({ upper: at, lower: low });
    } else if (part === "line" && series[of].stacked && at > 0) {
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
 * @param {Set<number>} [hidden] series that the outermost of all lines leaves out
 * @returns {Values[]}
 */
export function columnsOf(timeline, roles, series, hidden = new Set()) {
  const nothing = /** @type {Values} */ (new Array(timeline.times.length).fill(null));
  /** @param {number} at */
  const columnOf = (at) => timeline.columns.get(series[at].key) ?? { min: nothing, mean: nothing, max: nothing };
  /** @param {boolean} down */
  const outermost = (down) =>
    series.flatMap((one, at) => (one.down === down && !one.stacked && !hidden.has(at) ? [columnOf(at).max] : []));
  /** What lies below each of the stack. @type {Map<number, Values | null>} */
  const floors = new Map();
  /** @type {Values | null} */
  let below = null;
  return roles.map(({ series: at, part }) => {
    if (part === "crest") return greatest(outermost(false), nothing);
    if (part === "trough") return negated(greatest(outermost(true), nothing));
    const { down, stacked } = series[at];
    const column = columnOf(at);
    if (part === "peak") return over(floors.get(at) ?? null, column.max);
    if (stacked) {
      floors.set(at, below);
      return (below = over(below, column.mean));
    }
    if (part === "line") return down ? negated(column.mean) : column.mean;
    const outer = (part === "high") === down ? column.min : column.max;
    return down ? negated(outer) : outer;
  });
}

/**
 * @param {Values[]} columns
 * @param {Values} nothing as long as each of them
 * @returns {Values} the greatest of each row
 */
function greatest(columns, nothing) {
  const found = [...nothing];
  for (const column of columns) {
    for (let row = 0; row < found.length; row += 1) {
      const [value, most] = [column[row] ?? null, found[row]];
      if (value !== null && (most === null || value > most)) found[row] = value;
    }
  }
  return found;
}

/**
 * @param {Values | null} below null is the ground
 * @param {Values} values
 */
function over(below, values) {
  return below === null ? values : sum(below, values);
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
