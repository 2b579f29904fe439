// @ts-check
/** The colours of the style sheet, for canvases. They change with the theme. */

const SERIES_COLOURS = 8;
/** Lines of the same colour differ by these, in CSS pixels: on and off by turns. */
const DASHES = [[], [5, 3], [2, 2], [9, 3, 2, 3], [12, 5], [6, 2, 2, 2, 2, 2], [2, 6]];

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
 * How a line of a series is broken, by the series' number, so that those of one colour are told apart: 56 in all.
 * @param {number} number
 * @returns {number[] | undefined} undefined is a whole line
 */
export function dashOf(number) {
  return number < SERIES_COLOURS ? undefined : DASHES[Math.floor(number / SERIES_COLOURS) % DASHES.length];
}

/**
 * What a swatch beside a name shows of a line, for the style sheet: its colour, broken as the line is.
 * @param {number} number of the series
 */
export function swatchOf(number) {
  const [colour, dash] = [seriesColour(number), dashOf(number)];
  if (!dash) return colour;
  let at = 0;
  const stops = dash.map((length, turn) => `${turn % 2 ? "transparent" : colour} ${at}px ${(at += length)}px`);
  return `repeating-linear-gradient(90deg, ${stops.join(", ")})`;
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
