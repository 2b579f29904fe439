// @ts-check
/** Light, dark, or as the system has it. theme-first.js sets the stored choice before the page is drawn. */

import { setAttribute, setText } from "./dom.js";
import { paletteChanged } from "./palette.js";

const KEY = "sysmonstm.theme";
const ORDER = /** @type {const} */ (["system", "light", "dark"]);
/** @typedef {typeof ORDER[number]} Theme */
/** @type {Record<Theme, string>} */
const NAMES = { system: "System", light: "Light", dark: "Dark" };

/**
 * Make the button go through the themes.
 * @param {HTMLElement} button
 */
export function startTheme(button) {
  const root = document.documentElement;
  const label = button.querySelector("[data-label]") ?? button;
  /** @param {Theme} theme */
  const use = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    setText(label, NAMES[theme]);
    setAttribute(button, "aria-label", `Theme: ${NAMES[theme]}. Change`);
    paletteChanged();
  };
  let theme = stored(root.dataset.theme);
  use(theme);
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch (error) {
      // A browser that keeps nothing still changes the theme of this page.
      if (!(error instanceof DOMException)) throw error;
    }
    use(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paletteChanged);
}

/**
 * @param {string | undefined} name
 * @returns {Theme}
 */
function stored(name) {
  return name === "light" || name === "dark" ? name : "system";
}
