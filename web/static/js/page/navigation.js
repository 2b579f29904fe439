// @ts-check
/** The links on top: which page is looked at, and how many alerts fire. */

import { byId, setAttribute, setText, show } from "./dom.js";
import { pointTo } from "./here.js";

/** @typedef {import("./address.js").PageName} PageName */

/**
 * Links keep what was chosen on their pages, and the time.
 * @param {import("./address.js").View} view
 * @param {import("../live/contract.js").Alert[]} firing
 */
export function drawNavigation(view, firing) {
  for (const link of document.querySelectorAll("a[data-go]")) {
    if (!(link instanceof HTMLAnchorElement)) continue;
    const page = /** @type {PageName} */ (link.dataset.go);
    pointTo(link, { page, machine: "" });
    const current = view.page === page || (page === "fleet" && view.page === "machine");
    if (link.closest("nav")) setAttribute(link, "aria-current", current ? "page" : "false");
  }
  const count = byId("alert-count");
  setText(count, String(firing.length));
  setAttribute(count, "data-severity", firing[0]?.severity ?? "");
  show(count, firing.length > 0);
}
