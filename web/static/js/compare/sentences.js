// @ts-check
/** What is said below a comparison: what of it is not drawn, and why. Pure. */

import { counted, duration } from "../page/units.js";

/**
 * What there is to tell. `step` is how long a bucket is in seconds, or a sample stands; `crest` whether the greatest of all
 * lines is one of its own. `series` are known, `drawn` of them are drawn; machines that are `leftOut` for being too many,
 * that have no such metric (`without`), that nobody has heard of (`strangers`), or that mean another unit by it.
 * @typedef {{shape: "lines" | "heat", step: number, crest: boolean, series: number, drawn: number, leftOut: number, without: string[],
 *   strangers: string[], otherUnits: {machine: string, unit: string}[], asked: number, questions: number}} Told
 */

const MOST_NAMES = 5;
const CREST = "The thin line above is the greatest single reading of all lines; the line that you point at has a band from its least to its greatest.";

/**
 * @param {Told} told
 * @returns {string[]}
 */
export function sentences(told) {
  const { series, drawn, leftOut, without, strangers, otherUnits } = told;
  const said = [];
  if (told.asked < told.questions && told.questions > 1) said.push(`Loading: ${told.asked} of ${told.questions} parts are here.`);
  if (told.shape === "heat" && drawn) said.push(`Each cell has the colour of the greatest reading of its ${duration(told.step)}.`);
  if (told.crest) said.push(CREST);
  if (series > drawn) {
    const order = told.shape === "heat" ? "rows" : "lines";
    said.push(`${series - drawn} more not drawn: these are the ${drawn} ${order} with the greatest mean in the time shown.`);
  }
  if (leftOut) said.push(`${counted(leftOut, "machine")} left out, as there are too many series: choose an instance, tags or machines.`);
  if (without.length) said.push(`${named(without)} ${without.length === 1 ? "has" : "have"} no such metric in this time.`);
  if (strangers.length) said.push(`No machine is called ${named(strangers)}.`);
  for (const unit of new Set(otherUnits.map((one) => one.unit))) {
    const those = otherUnits.filter((one) => one.unit === unit).map((one) => one.machine);
    said.push(`Not drawn as the unit is another (${unit}): ${named(those)}.`);
  }
  return said;
}

/**
 * "web1, web2 and 3 more".
 * @param {string[]} names
 */
function named(names) {
  const shown = names.slice(0, names.length > MOST_NAMES ? MOST_NAMES - 1 : MOST_NAMES);
  const more = names.length - shown.length;
  return more ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}
