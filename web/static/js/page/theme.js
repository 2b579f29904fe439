// @ts-check
/** Light, dark, or as the system has it. theme-first.js sets the stored choice before the page is drawn. */

import { paletteChanged } from "./palette.js";

/** @typedef {import("./preferences.js").Theme} Theme */

/** @param {Theme} theme */
export function useTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  paletteChanged();
}

/** Have canvases follow the system's theme. */
export function followSystem() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paletteChanged);
}
