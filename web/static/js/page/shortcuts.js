// @ts-check
/** Keys that mean something wherever the focus is, but where one writes. */

import { prefersKeys } from "./preferences.js";

/** Where a key is only a character. */
const TYPING = "input:not([type=radio]), select, textarea, [contenteditable]";

/**
 * Whether this key is for the page: not a character of something that is written, nor one of the browser's.
 * @param {KeyboardEvent} key
 * @param {string} wanted
 */
export function isPressed(key, wanted) {
  const typing = key.target instanceof Element && key.target.closest(TYPING) !== null;
  return key.key === wanted && !typing && !key.ctrlKey && !key.metaKey && !key.altKey && prefersKeys();
}

/**
 * "/" leads to a search.
 * @param {HTMLInputElement} search
 * @param {AbortSignal} signal ends it
 */
export function searchBySlash(search, signal) {
  const pressed = (/** @type {KeyboardEvent} */ key) => {
    if (!isPressed(key, "/")) return;
    key.preventDefault();
    search.focus();
    search.select();
  };
  document.addEventListener("keydown", pressed, { signal });
}
