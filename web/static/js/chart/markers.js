// @ts-check
/** Where a chart marks events, and what each mark stands for: those that would touch become one. Pure. */

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */
/**
 * How grave an event is, the gravest last. A generation that was activated explains what follows: more than news.
 * @typedef {"info" | "activated" | "warning" | "critical"} Look
 */
/**
 * `x` is where the gravest of its events lies, in the pixels of `place`; `events` ascend. `generation` is that of the
 * newest activation among them, "" if it is not known; `activated` says whether there is one.
 * @typedef {{x: number, look: Look, activated: boolean, generation: string, events: FleetEvent[]}} Mark
 */

const ACTIVATED = "system.activated";
/** What is over is no longer bad, however bad it was. */
const RESOLVED = "alert.resolved";
/** @type {Look[]} */
const BY_GRAVITY = ["info", "activated", "warning", "critical"];
/** Marks that lie no further apart are one, always; and where there are many. */
const MERGED_PX = 9;
const WIDEST_MERGED_PX = 36;
/** A mark has so much room on average, or there are many. */
const ROOM_PX = 24;
/** How far from a mark the cursor still means it. */
const NEAR_PX = 7;

/**
 * @param {FleetEvent} event
 * @returns {Look}
 */
export function lookOf(event) {
  if (event.kind === RESOLVED) return "info";
  if (event.severity === "critical" || event.severity === "warning") return event.severity;
  return event.kind === ACTIVATED ? "activated" : "info";
}

/** @param {FleetEvent} event */
const gravity = (event) => BY_GRAVITY.indexOf(lookOf(event));

/**
 * The gravest lie exactly where they happened; what lies close to one is counted with it, from further away where the
 * chart would be fenced in. An activation that does not touch another mark always keeps its own.
 * @param {FleetEvent[]} events ascending by time
 * @param {(time: number) => number} place of a time, in pixels
 * @param {number} width of the plot in pixels
 * @returns {Mark[]} from left to right
 */
export function placed(events, place, width) {
  const gravest = [...events].sort((a, b) => gravity(b) - gravity(a)).map((event) => ({ x: place(event.time), event }));
  let near = MERGED_PX;
  let groups = grouped(gravest, near);
  while (near < WIDEST_MERGED_PX && groups.length > width / ROOM_PX) {
    near *= 2;
    groups = grouped(gravest, near);
  }
  return groups.sort((a, b) => a.x - b.x).map(({ x, events: some }) => markOf(x, some));
}

/**
 * @param {{x: number, event: FleetEvent}[]} gravest the gravest first
 * @param {number} near in pixels
 */
function grouped(gravest, near) {
  /** @type {{x: number, events: FleetEvent[]}[]} */
  const groups = [];
  for (const { x, event } of gravest) {
    const reach = event.kind === ACTIVATED ? MERGED_PX : near;
    const touched = nearest(groups, x, reach);
    if (touched) touched.events.push(event);
    else groups.push({ x, events: [event] });
  }
  return groups;
}

/**
 * @template {{x: number}} T
 * @param {T[]} all
 * @param {number} x
 * @param {number} reach
 * @returns {T | null}
 */
function nearest(all, x, reach) {
  let found = null;
  let distance = reach;
  for (const one of all) {
    if (Math.abs(one.x - x) > distance) continue;
    found = one;
    distance = Math.abs(one.x - x);
  }
  return found;
}

/**
 * @param {number} x
 * @param {FleetEvent[]} events the gravest first
 * @returns {Mark}
 */
function markOf(x, events) {
  const look = lookOf(events[0]);
  const inTime = [...events].sort((a, b) => a.time - b.time || a.id - b.id);
  const newest = inTime.findLast((event) => event.kind === ACTIVATED);
  return { x, look, activated: Boolean(newest), generation: newest ? generationOf(newest) : "", events: inTime };
}

/**
 * A number that fits beside a mark: the machine says it, so it may be anything.
 * @param {FleetEvent} event
 */
function generationOf(event) {
  const said = String(event.fields.generation ?? "");
  return /^[0-9]{1,6}$/.test(said) ? said : "";
}

/**
 * The few words that stand beside a mark: the generation, or how many it stands for.
 * @param {Mark} mark
 */
export function labelOf(mark) {
  if (mark.activated && mark.generation) return mark.generation;
  return mark.events.length > 1 ? `×${mark.events.length}` : "";
}

/**
 * The mark that a cursor means, if any.
 * @param {Mark[]} marks
 * @param {number} x of the cursor; less than 0 is none
 * @returns {Mark | null}
 */
export function meant(marks, x) {
  return x < 0 ? null : nearest(marks, x, NEAR_PX);
}

/**
 * Up to `most` events of a mark that say the most of it, in the order of their times.
 * @param {Mark} mark
 * @param {number} most
 */
export function telling(mark, most) {
  const gravest = [...mark.events].sort((a, b) => gravity(b) - gravity(a)).slice(0, most);
  return mark.events.filter((event) => gravest.includes(event));
}

/**
 * "3 events marked", or "" for none.
 * @param {number} count
 */
export function countText(count) {
  if (count === 0) return "";
  return count === 1 ? "1 event marked" : `${count} events marked`;
}
