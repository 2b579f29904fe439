// @ts-check
/** A menu with a search on top of a list: opens by its button, is searched by typing, walked by arrows, left by Escape. */

import { element, setText } from "./dom.js";

export class Picker {
  /**
   * @param {HTMLElement} menu `details` of the page's markup: a summary and a box
   * @param {string} prompt of the search
   * @param {(search: string) => Node[]} list what the box holds for a search; links and buttons in it are walked
   */
  constructor(menu, prompt, list) {
    this.menu = /** @type {HTMLDetailsElement} */ (menu);
    this.list = list;
    this.summary = /** @type {HTMLElement} */ (menu.querySelector("summary"));
    this.label = /** @type {HTMLElement} */ (this.summary.querySelector(".chosen"));
    this.search = element("input", { type: "search", placeholder: prompt, "aria-label": prompt, autocomplete: "off" });
    this.found = element("div", { class: "found", tabindex: "-1" });
    const box = /** @type {HTMLElement} */ (menu.querySelector(".menu-box"));
    box.replaceChildren(this.search, this.found);
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    this.search.addEventListener("input", () => this.fill(), { signal });
    menu.addEventListener("toggle", () => this.toggled(), { signal });
    menu.addEventListener("keydown", (key) => this.walk(key), { signal });
    document.addEventListener("click", (click) => this.clicked(click), { signal });
  }

  /** @param {string} text what is chosen now */
  say(text) {
    setText(this.label, text);
  }

  toggled() {
    if (!this.menu.open) return;
    this.search.value = "";
    this.fill();
    this.search.focus();
  }

  /** What there is to choose has changed. */
  fill() {
    if (!this.menu.open) return;
    const { scrollTop } = this.found;
    const focused = this.focusedName();
    this.found.replaceChildren(...this.list(this.search.value.trim()));
    this.found.scrollTop = scrollTop;
    if (focused) this.stops().find((stop) => nameOf(stop) === focused)?.focus({ preventScroll: true });
  }

  focusedName() {
    const { activeElement } = document;
    return activeElement instanceof HTMLElement && this.found.contains(activeElement) ? nameOf(activeElement) : "";
  }

  /** What the arrows stop at. */
  stops() {
    return /** @type {HTMLElement[]} */ ([...this.found.querySelectorAll("a, button, input")]);
  }

  /** @param {KeyboardEvent} event */
  walk(event) {
    if (event.key === "Escape") {
      this.close();
      event.stopPropagation();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [this.search, ...this.stops()];
    const at = stops.indexOf(/** @type {HTMLInputElement} */ (document.activeElement));
    const next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (at < 0 || !next) return;
    event.preventDefault();
    next.focus();
  }

  close() {
    if (!this.menu.open) return;
    this.menu.open = false;
    this.summary.focus();
  }

  /** A click elsewhere closes it. @param {MouseEvent} click */
  clicked(click) {
    if (click.target instanceof Node && click.target.isConnected && !this.menu.contains(click.target)) {
      this.menu.open = false;
    }
  }

  destroy() {
    this.leaving.abort();
    this.menu.open = false;
  }
}

/** @param {HTMLElement} stop */
const nameOf = (stop) => stop.dataset.name ?? stop.textContent ?? "";
