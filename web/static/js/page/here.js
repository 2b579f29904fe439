// @ts-check
/** Where the page is, and how it goes elsewhere: the one place that reads and changes the browser's address. */

import { format, parse } from "./address.js";
import { element } from "./dom.js";
import { prefersUtc } from "./preferences.js";

/** @typedef {import("./address.js").View} View */

let view = parse(location.search, null, prefersUtc());
/** @type {(before: View) => void} */
let arrived = () => {};

/** What is looked at now. @returns {View} */
export function here() {
  return view;
}

/** The view as an address: what links are made of. */
export function hereText() {
  return format(view);
}

/**
 * Hear whenever another view is looked at, and follow the links of the page. Only the page itself may.
 * @param {(before: View) => void} listener
 */
export function follow(listener) {
  arrived = listener;
  document.addEventListener("click", followClick);
  addEventListener("popstate", () => arrive(parse(location.search, view, prefersUtc())));
}

/**
 * Look at something else.
 * @param {Partial<View>} change what differs from the view now
 * @param {{replace?: boolean}} [how] replace: "back" does not lead here
 */
export function go(change, { replace = false } = {}) {
  const next = { ...view, ...change };
  if (replace) history.replaceState(null, "", format(next));
  else history.pushState(null, "", format(next));
  arrive(next);
}

/**
 * A link to a view, with what differs from the view now.
 * @param {Partial<View>} change
 * @param {...(Node | string)} children
 */
export function linkTo(change, ...children) {
  const link = element("a", {}, ...children);
  pointTo(link, change);
  return link;
}

/**
 * Have a link lead to a view, with what differs from the view now.
 * @param {HTMLAnchorElement} link
 * @param {Partial<View>} change
 */
export function pointTo(link, change) {
  const next = { ...view, ...change };
  link.href = format(next);
  link.dataset.view = next.page;
}

/** @param {View} next */
function arrive(next) {
  const before = view;
  view = next;
  arrived(before);
}

/** @param {MouseEvent} click */
function followClick(click) {
  const link = click.target instanceof Element ? click.target.closest("a[data-view]") : null;
  const plain = click.button === 0 && !click.metaKey && !click.ctrlKey && !click.shiftKey && !click.altKey;
  if (!(link instanceof HTMLAnchorElement) || !plain) return;
  click.preventDefault();
  history.pushState(null, "", link.href);
  arrive(parse(new URL(link.href).search, view, prefersUtc()));
}
