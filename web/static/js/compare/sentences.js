// @ts-check
/** What is said below a comparison: what of it is not drawn, and why. Pure. */

import { counted, duration } from "../page/units.js";
import { dateTime } from "../time/moments.js";
import { clockText } from "../live/machine_clock.js";

/** @typedef {import("./missing.js").Missing} Missing */
/** @typedef {import("../live/machine_state.js").Machine} Machine */
/**
 * What there is to tell. `step` is how long a bucket is in seconds, or a sample stands; `crest` whether the greatest of all
 * lines is one of its own; `missing` when nothing was read from any of them; `eventsCut` whether there were more than can be
 * marked. `series` are known, `drawn` of them are drawn; machines that are `leftOut` for being too many,
 * that have no such metric (`without`), whose clock is off (`clocks`), that nobody has heard of (`strangers`), or that mean another unit by it.
 * @typedef {{shape: "lines" | "heat", step: number, crest: boolean, missing: Missing | null,
 *   eventsCut: boolean, series: number, drawn: number, leftOut: number, without: string[], clocks: Machine[],
 *   strangers: string[], otherUnits: {machine: string, unit: string}[], asked: number, questions: number}} Told
 */

const MOST_NAMES = 5;
const CREST = "The thin line above is the greatest single reading of all lines; the line that you point at has a band from its least to its greatest.";

/**
 * @param {Told} told
 * @returns {string[]}
 */
export function sentences(told) {
  const { series, drawn, leftOut, without, clocks, strangers, otherUnits } = told;
  const said = [];
  if (told.asked < told.questions && told.questions > 1) said.push(`Loading: ${told.asked} of ${told.questions} parts are here.`);
  if (told.shape === "heat" && drawn) said.push(`Each cell has the colour of the greatest reading of its ${duration(told.step)}.`);
  if (told.crest) said.push(CREST);
  if (series > drawn) {
    const order = told.shape === "heat" ? "rows" : "lines";
    said.push(`${series - drawn} more not drawn: these are the ${drawn} ${order} with the greatest mean in the time shown.`);
  }
  if (told.missing) said.push(missingText(told.missing));
  if (told.eventsCut) said.push("More happened to systems in this time than is marked: only what was last.");
  if (leftOut) said.push(`${counted(leftOut, "machine")} left out, as there are too many series: choose an instance, tags or machines.`);
  if (without.length) said.push(`${named(without)} ${without.length === 1 ? "has" : "have"} no such metric in this time.`);
  if (clocks.length) said.push(clocksText(clocks));
  if (strangers.length) said.push(`No machine is called ${named(strangers)}.`);
  for (const unit of new Set(otherUnits.map((one) => one.unit))) {
    const those = otherUnits.filter((one) => one.unit === unit).map((one) => one.machine);
    said.push(`Not drawn as the unit is another (${unit}): ${named(those)}.`);
  }
  return said;
}

/**
 * @param {Missing} missing
 */
function missingText({ longest: [from, to], count }) {
  const when = `${dateTime(from)} – ${dateTime(to)}`;
  const others = count > 1 ? `, and in ${counted(count - 1, "shorter gap")} besides` : "";
  return `Nothing was read from any of these for ${duration(to - from)} (${when})${others}.`;
}

/**
 * "web1: its clock is 2 h behind; web2: its clock is 10 min ahead. …"
 * @param {Machine[]} machines
 */
function clocksText(machines) {
  const shown = machines.slice(0, MOST_NAMES).map((one) => `${one.name}: ${clockText(one)}`);
  const more = machines.length - shown.length;
  const others = more ? `; ${counted(more, "other clock")} ${more === 1 ? "is" : "are"} off as well` : "";
  return `${shown.join("; ")}${others}. Their readings are drawn at the times that their own clocks say.`;
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
