// @ts-check
/**
 * Which machines the fleet page shows, and how, as the query string keeps it: `?q=web&tag=prod&state=silent&sort=cpu`.
 * Pure functions.
 */

/** What machines can be sorted by. */
export const SORTS = /** @type {const} */ ([
  "name",
  "state",
  "alert",
  "cpu",
  "memory",
  "disk",
  "network",
  "load",
  "uptime",
]);
export const STATES = /** @type {const} */ (["up", "silent", "waiting"]);
/** "any" is any alert at all, "none" no alert. */
export const ALERTS = /** @type {const} */ (["any", "critical", "warning", "info", "none"]);

/** @typedef {typeof SORTS[number]} Sort */
/**
 * Each word of `text` is part of a name, a tag or a fact; a machine has every one of `tags`; "" is any `state` or `alert`;
 * `reboot` leaves those that need a reboot. `down` sorts the largest first. `group` puts machines under headings by their
 * tags: "tag" by each tag, or the part of a tag before ":" ("rack" for rack:4), "" not at all. `tiles` shows them as tiles.
 * @typedef {{text: string, tags: string[], state: "" | typeof STATES[number], alert: "" | typeof ALERTS[number],
 *   reboot: boolean, sort: Sort, down: boolean, group: string, tiles: boolean}} FleetChoice
 */

/**
 * What it does not know is left at its default.
 * @param {URLSearchParams} query
 * @returns {FleetChoice}
 */
export function readFleet(query) {
  return {
    text: query.get("q") ?? "",
    tags: [...new Set(query.getAll("tag"))],
    state: oneOf(STATES, query.get("state")) ?? "",
    alert: oneOf(ALERTS, query.get("alert")) ?? "",
    reboot: query.get("reboot") === "needed",
    sort: oneOf(SORTS, query.get("sort")) ?? "name",
    down: query.get("order") === "down",
    group: query.get("group") ?? "",
    tiles: query.get("as") === "tiles",
  };
}

/**
 * Defaults are left out.
 * @param {URLSearchParams} query
 * @param {FleetChoice} choice
 */
export function writeFleet(query, { text, tags, state, alert, reboot, sort, down, group, tiles }) {
  if (text) query.set("q", text);
  for (const tag of tags) query.append("tag", tag);
  if (state) query.set("state", state);
  if (alert) query.set("alert", alert);
  if (reboot) query.set("reboot", "needed");
  if (sort !== "name") query.set("sort", sort);
  if (down) query.set("order", "down");
  if (group) query.set("group", group);
  if (tiles) query.set("as", "tiles");
}

/**
 * The choice without what leaves machines out.
 * @param {FleetChoice} choice
 * @returns {FleetChoice}
 */
export function unfiltered(choice) {
  return { ...choice, text: "", tags: [], state: "", alert: "", reboot: false };
}

/**
 * Whether it may leave machines out.
 * @param {FleetChoice} choice
 */
export function filters({ text, tags, state, alert, reboot }) {
  return Boolean(text.trim() || tags.length || state || alert || reboot);
}

/**
 * @template {string} T
 * @param {readonly T[]} known
 * @param {string | null} given
 * @returns {T | undefined}
 */
function oneOf(known, given) {
  return known.find((one) => one === given);
}
