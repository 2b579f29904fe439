// @ts-check
/** Machines under headings, by their tags. Pure functions. */

/** @typedef {import("../live/machine_state.js").Machine} Machine */
/** A heading and what stands under it; `tag` is "" for those that have none. @typedef {{tag: string, machines: Machine[]}} Group */

/** The choice that groups by each tag as it is. */
export const EACH_TAG = "tag";
const byText = new Intl.Collator("en", { numeric: true });

/**
 * The parts before ":" that tags of the fleet have, to group by.
 * @param {Iterable<Machine>} machines
 * @returns {string[]}
 */
export function prefixesOf(machines) {
  const found = new Set();
  for (const { tags } of machines) for (const tag of tags) if (tag.indexOf(":") > 0) found.add(prefixOf(tag));
  found.delete(EACH_TAG);
  return [...found].sort(byText.compare);
}

/**
 * A machine stands under each of its tags that the group is about, in the order that they have.
 * @param {Machine[]} machines
 * @param {string} group "" is a single group of all
 * @returns {Group[]}
 */
export function groupsOf(machines, group) {
  if (!group) return [{ tag: "", machines }];
  /** @type {Map<string, Machine[]>} */
  const found = new Map();
  for (const machine of machines) {
    const tags = machine.tags.filter((tag) => group === EACH_TAG || prefixOf(tag) === group);
    for (const tag of tags.length ? tags : [""]) {
      const known = found.get(tag);
      if (known) known.push(machine);
      else found.set(tag, [machine]);
    }
  }
  const tags = [...found.keys()].sort((a, b) => Number(a === "") - Number(b === "") || byText.compare(a, b));
  return tags.map((tag) => ({ tag, machines: found.get(tag) ?? [] }));
}

/** @param {string} tag */
function prefixOf(tag) {
  const end = tag.indexOf(":");
  return end > 0 ? tag.slice(0, end) : null;
}
