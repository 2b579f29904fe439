// @ts-check
/**
 * A list that is drawn again and again under somebody's keyboard: an item stays the same element for as long as it says
 * the same, and where one is made anew or goes, the focus stays at its place.
 */

import { place } from "./place.js";

/**
 * `said` is all that the element is made of: where it differs, it is made anew.
 * @typedef {{key: string, said: string, make: () => HTMLElement}} Item
 */

const REACHED = "a[href], button, input, [tabindex]";

export class KeyedList {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    /** @type {Map<string, {said: string, element: HTMLElement}>} */
    this.drawn = new Map();
    this.list.replaceChildren();
  }

  /** @param {Item[]} items in order, all that it shall have */
  show(items) {
    const { activeElement } = document;
    const held = [...this.list.children].findIndex((one) => one.contains(activeElement));
    const within = held < 0 ? 0 : stopsIn(this.list.children[held]).indexOf(/** @type {HTMLElement} */ (activeElement));
    const key = [...this.drawn].find(([, { element }]) => element === this.list.children[held])?.[0];
    const before = this.drawn;
    this.drawn = new Map(items.map((item) => [item.key, kept(before.get(item.key), item)]));
    const elements = [...this.drawn.values()].map((one) => one.element);
    place(this.list, elements);
    if (held < 0 || this.list.contains(document.activeElement)) return;
    const now = this.drawn.get(key ?? "")?.element ?? elements[Math.min(held, elements.length - 1)];
    const stops = now ? stopsIn(now) : [];
    (stops[within] ?? stops.at(-1))?.focus({ preventScroll: true });
  }
}

/**
 * @param {{said: string, element: HTMLElement} | undefined} known
 * @param {Item} item
 */
function kept(known, { said, make }) {
  return known?.said === said ? known : { said, element: make() };
}

/**
 * What can have the focus: an item itself, as in a row of links, or what is in it.
 * @param {Element} element
 * @returns {HTMLElement[]}
 */
function stopsIn(element) {
  const all = [element, ...element.querySelectorAll("*")];
  return all.filter((one) => one instanceof HTMLElement && one.matches(REACHED)).map((one) => /** @type {HTMLElement} */ (one));
}
