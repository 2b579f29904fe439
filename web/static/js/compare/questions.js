// @ts-check
/** In which questions many machines are asked for, so that no answer is larger than what the gateway gives. Pure. */

/** So many at a time, so that the first lines are soon there. */
const MOST_MACHINES = 50;
/** The gateway refuses more than 250,000 in one answer. */
const MOST_READINGS = 150_000;
/** The narrowest bucket has so many samples, as the gateway has it. */
const FEWEST_INTERVALS = 2;

/**
 * The machines of each question.
 * @param {{name: string, series: number}[]} machines
 * @param {number} points
 * @returns {string[][]} names
 */
export function batches(machines, points) {
  /** @type {string[][]} */
  const found = [];
  let readings = Infinity;
  for (const { name, series } of machines) {
    const more = series * points;
    const last = found[found.length - 1];
    if (!last || last.length === MOST_MACHINES || readings + more > MOST_READINGS) {
      found.push([name]);
      readings = more;
    } else {
      last.push(name);
      readings += more;
    }
  }
  return found;
}

/**
 * So many buckets that those of all machines are equally wide, whichever of them are asked for together.
 * @param {number} wanted
 * @param {number} seconds that are asked for
 * @param {number} longest of the machines' intervals, in seconds
 */
export function sharedPoints(wanted, seconds, longest) {
  return Math.max(2, Math.min(wanted, Math.floor(seconds / (FEWEST_INTERVALS * longest))));
}
