// @ts-check
/** The keyboard on the fleet page: "/" searches, arrows go from machine to machine, Enter opens one as links do. */

import { searchBySlash } from "../page/shortcuts.js";

export class FleetKeys {
  /**
   * @param {{element: HTMLElement, across: number}} list whose links are gone through
   * @param {HTMLInputElement} search
   */
  constructor(list, search) {
    this.list = list;
    this.element = list.element;
    this.search = search;
    /** The one that Tab stops at. @type {HTMLElement | null} */
    this.stop = null;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    searchBySlash(search, signal);
    this.element.addEventListener("keydown", (key) => this.among(key), { signal });
    this.element.addEventListener("focusin", (event) => this.stopAt(/** @type {HTMLElement} */ (event.target)), { signal });
    search.addEventListener("keydown", (key) => this.searching(key), { signal });
  }

  /** @returns {HTMLElement[]} */
  links() {
    return [...this.element.querySelectorAll("a")];
  }

  /** @param {HTMLElement | undefined} link */
  stopAt(link) {
    if (link === this.stop) return;
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = link ?? null;
    if (link) link.tabIndex = 0;
  }

  /** Rows came or went: Tab must stop at one of them. */
  ensureStop() {
    if (!this.stop || !this.element.contains(this.stop)) this.stopAt(this.element.querySelector("a") ?? undefined);
  }

  /** @param {KeyboardEvent} key */
  searching(key) {
    if (key.key === "ArrowDown") {
      key.preventDefault();
      this.links()[0]?.focus();
    } else if (key.key === "Escape" && this.search.value) {
      key.preventDefault();
      this.search.value = "";
      this.search.dispatchEvent(new Event("input"));
    }
  }

  /** @param {KeyboardEvent} key */
  among(key) {
    if (key.ctrlKey || key.metaKey || key.altKey || key.shiftKey) return;
    const links = this.links();
    const at = links.indexOf(/** @type {HTMLElement} */ (key.target));
    const next = this.next(key.key, at, links.length);
    if (at < 0 || next === null) return;
    key.preventDefault();
    if (next < 0) this.search.focus();
    else links[Math.min(next, links.length - 1)].focus();
  }

  /**
   * @param {string} key
   * @param {number} at
   * @param {number} length
   * @returns {number | null} null if the key means nothing here; less than 0 leads back to the search
   */
  next(key, at, length) {
    const { across } = this.list;
    if (key === "ArrowDown") return at + across;
    if (key === "ArrowUp") return at - across;
    if (key === "ArrowRight" && across > 1) return at + 1;
    if (key === "ArrowLeft" && across > 1) return Math.max(0, at - 1);
    if (key === "Home") return 0;
    return key === "End" ? length - 1 : null;
  }

  destroy() {
    this.leaving.abort();
  }
}
