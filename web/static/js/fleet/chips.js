// @ts-check
/** A row of buttons that are pressed or not, each with a number. Those that stay are kept, and so is the focus. */

import { element, setAttribute, setText } from "../page/dom.js";
import { place } from "../page/place.js";

/**
 * One button; `rest` goes on where text and number alone say too little to those who only hear them.
 * @typedef {{key: string, text: string, count: number, pressed: boolean, kind?: string, rest?: string,
 *   press: () => void}} Chip
 */
/**
 * @typedef {{element: HTMLButtonElement, text: HTMLElement, count: HTMLElement, rest: HTMLElement,
 *   press: () => void}} Drawn
 */

export class Chips {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    /** @type {Map<string, Drawn>} */
    this.drawn = new Map();
  }

  /**
   * @param {Chip[]} chips
   * @param {Element[]} after what stands behind them
   */
  show(chips, after = []) {
    const before = this.drawn;
    this.drawn = new Map(chips.map((chip) => [chip.key, before.get(chip.key) ?? make()]));
    for (const chip of chips) write(/** @type {Drawn} */ (this.drawn.get(chip.key)), chip);
    place(this.box, [...[...this.drawn.values()].map((one) => one.element), ...after]);
  }
}

/** @returns {Drawn} */
function make() {
  const [text, count, rest] = [element("span", {}), element("b", {}), element("span", { class: "only-read" })];
  const button = element("button", { type: "button", class: "chip" }, text, " ", count, rest);
  const drawn = { element: button, text, count, rest, press: () => {} };
  button.addEventListener("click", () => drawn.press());
  return drawn;
}

/**
 * @param {Drawn} drawn
 * @param {Chip} chip
 */
function write(drawn, { text, count, pressed, kind, rest, press }) {
  drawn.press = press;
  setText(drawn.text, text);
  setText(drawn.count, String(count));
  setAttribute(drawn.element, "aria-pressed", String(pressed));
  setAttribute(drawn.element, "data-kind", kind ?? "");
  setText(drawn.rest, rest ?? "");
  // What would lead to nothing is there, but does not ask for a click.
  setAttribute(drawn.element, "data-none", String(count === 0 && !pressed));
}
