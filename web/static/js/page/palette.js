// @ts-check
/** The colours of the style sheet, for canvases. They change with the theme. */

const SERIES_COLOURS = 8;

/**
 * `series` are for lines, in order; `neutral` for a total over
 * them, `heat` is the full colour of a heat map, `surface` what charts lie on, `hatch` is for
 * where there is nothing, `marks` are for events.
 * @typedef {{series: string[], neutral: string, text: string, grid: string, heat: string, surface: string, hatch: string,
 *   marks: Record<import("../chart/markers.js").Look, string>}} Palette
 */

/** @type {Palette | null} */
let current = null;
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Palette} */
export function palette() {
  current ??= read();
  return current;
}

/**
 * Hear when colours have changed. Returns how to stop.
 * @param {() => void} listener
 */
export function onPaletteChange(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Read the style sheet again: the theme has changed. */
export function paletteChanged() {
  current = null;
  for (const listener of listeners) listener();
}

/** @returns {Palette} */
function read() {
  const probe = document.createElement("span");
  document.body.append(probe);
  /** @param {string} token */
  const resolve = (token) => {
    probe.style.color = `var(--${token})`;
    return getComputedStyle(probe).color;
  };
  const series = Array.from({ length: SERIES_COLOURS }, (_, at) => resolve(`series-${at + 1}`));
  const found = {
    series,
    neutral: resolve("series-total"),
    text: resolve("ink-soft"),
    grid: resolve("grid"),
    heat: resolve("heat"),
    surface: resolve("surface"),
    hatch: resolve("hatch"),
    marks: {
      info: resolve("ink-soft"),
      activated: resolve("ink"),
      warning: resolve("warning"),
      critical: resolve("critical"),
    },
  };
  probe.remove();
  return found;
}

/**
 * The colour of a series, by its number; they repeat. -1 is neutral.
 * @param {number} number
 */
export function seriesColour(number) {
  const { series, neutral } = palette();
  return number < 0 ? neutral : series[number % series.length];
}

/**
 * The same colour, let through.
 * @param {string} colour as getComputedStyle writes it: rgb(…)
 * @param {number} alpha 0 to 1
 */
export function faded(colour, alpha) {
  return colour.replace(/^rgba?\(([^)]+)\)$/, (_, parts) => {
    const [red, green, blue] = parts.split(/[ ,/]+/);
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  });
}
