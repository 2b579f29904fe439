// @ts-check
/**
 * Which metric of which machines is compared, as the query string keeps it:
 * `?view=compare&metric=cpu.percent&tag=prod&as=heat`. Pure functions.
 */

/** How it is drawn. */
export const SHAPES = /** @type {const} */ (["lines", "heat"]);
export const DEFAULT_METRIC = "cpu.percent";
/** So many lines are told apart. */
export const DEFAULT_TOP = 10;
const MOST_TOP = 50;

/** @typedef {typeof SHAPES[number]} Shape */
/**
 * All machines that are named and all that have every one of `tags`; with neither, all there are. `instance` "" is each of
 * them. `top` is how many lines are drawn, those with the greatest mean in the range.
 * @typedef {{metric: string, instance: string, machines: string[], tags: string[], shape: Shape, top: number}} CompareChoice
 */

/**
 * What it does not know is left at its default.
 * @param {URLSearchParams} query
 * @returns {CompareChoice}
 */
export function readCompare(query) {
  const top = Math.floor(Number(query.get("top")));
  return {
    metric: query.get("metric") || DEFAULT_METRIC,
    instance: query.get("instance") ?? "",
    machines: [...new Set(query.getAll("with"))],
    tags: [...new Set(query.getAll("tag"))],
    shape: SHAPES.find((one) => one === query.get("as")) ?? "lines",
    top: top >= 1 ? Math.min(top, MOST_TOP) : DEFAULT_TOP,
  };
}

/**
 * Defaults are left out.
 * @param {URLSearchParams} query
 * @param {CompareChoice} choice
 */
export function writeCompare(query, { metric, instance, machines, tags, shape, top }) {
  query.set("metric", metric);
  if (instance) query.set("instance", instance);
  for (const machine of machines) query.append("with", machine);
  for (const tag of tags) query.append("tag", tag);
  if (shape !== "lines") query.set("as", shape);
  if (top !== DEFAULT_TOP) query.set("top", String(top));
}
