// @ts-check
/** The list of all keys: opens by "?" or its button, on every page, and is left by Escape, which leads back to where one was. */

import { byId } from "./dom.js";
import { isPressed } from "./shortcuts.js";

export function startKeyList() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("keys"));
  const show = () => dialog.open || dialog.showModal();
  byId("keys-open").addEventListener("click", show);
  byId("keys-close").addEventListener("click", () => dialog.close());
  // What is outside of its box is the dialog itself.
  dialog.addEventListener("click", (click) => click.target === dialog && dialog.close());
  document.addEventListener("keydown", (key) => {
    if (!isPressed(key, "?")) return;
    key.preventDefault();
    if (dialog.open) dialog.close();
    else show();
  });
}
