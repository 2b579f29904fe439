// @ts-check
/** The menu of what a user may have otherwise: theme, zone of times, unit of network rates, keys. */

import { byId, element } from "./dom.js";
import { go, here } from "./here.js";
import { preferBits, preferKeys, preferTheme, preferUtc, preferredTheme, prefersBits, prefersKeys } from "./preferences.js";
import { useTheme } from "./theme.js";

/**
 * One choice: a group of radio buttons.
 * @typedef {{name: string, title: string, options: [value: string, label: string][], now: () => string,
 *   choose: (value: string) => void}} Choice
 */

/** @type {Choice[]} */
const CHOICES = [
  {
    name: "theme",
    title: "Theme",
    options: [
      ["system", "System"],
      ["light", "Light"],
      ["dark", "Dark"],
    ],
    now: preferredTheme,
    choose: (value) => {
      const theme = value === "light" || value === "dark" ? value : "system";
      preferTheme(theme);
      useTheme(theme);
    },
  },
  {
    name: "zone",
    title: "Times",
    options: [
      ["local", "Local"],
      ["utc", "UTC"],
    ],
    now: () => (here().time.utc ? "utc" : "local"),
    choose: (value) => {
      preferUtc(value === "utc");
      go({ time: { ...here().time, utc: value === "utc" } }, { replace: true });
    },
  },
  {
    name: "rates",
    title: "Network",
    options: [
      ["bytes", "Bytes"],
      ["bits", "Bits"],
    ],
    now: () => (prefersBits() ? "bits" : "bytes"),
    choose: (value) => preferBits(value === "bits"),
  },
  {
    name: "keys",
    title: "Keys ? and /",
    options: [
      ["on", "On"],
      ["off", "Off"],
    ],
    now: () => (prefersKeys() ? "on" : "off"),
    choose: (value) => preferKeys(value === "on"),
  },
];

/** Fill the menu; it closes with Escape, or when something else is touched. */
export function startSettings() {
  const menu = /** @type {HTMLDetailsElement} */ (byId("settings"));
  byId("settings-choices").replaceChildren(...CHOICES.map(group));
  menu.addEventListener("toggle", () => menu.open && tellChosen(menu));
  document.addEventListener("click", (click) => {
    if (click.target instanceof Node && !menu.contains(click.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (key) => {
    if (key.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  tellChosen(menu);
}

/** @param {Choice} choice */
function group(choice) {
  const labels = choice.options.map(([value, label]) => {
    const radio = element("input", { type: "radio", name: choice.name, value });
    radio.addEventListener("change", () => choice.choose(value));
    return element("label", {}, radio, element("span", {}, label));
  });
  return element("fieldset", { class: "choice" }, element("legend", {}, choice.title), ...labels);
}

/** The address may have changed one meanwhile. @param {HTMLElement} menu */
function tellChosen(menu) {
  for (const choice of CHOICES) {
    for (const radio of menu.querySelectorAll(`input[name="${choice.name}"]`)) {
      if (radio instanceof HTMLInputElement) radio.checked = radio.value === choice.now();
    }
  }
}
