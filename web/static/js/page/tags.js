// @ts-check
/** The tags of a machine as small chips. A machine chooses them: they only ever go in as text. */

import { element, show } from "./dom.js";

export class Tags {
  /**
   * @param {HTMLElement} list
   * @param {number} most how many are shown; above, the last place says how many more there are
   */
  constructor(list, most) {
    this.element = list;
    this.most = most;
    this.shown = "";
  }

  /** @param {string[]} tags */
  update(tags) {
    const shown = JSON.stringify(tags);
    if (shown === this.shown) return;
    this.shown = shown;
    const first = tags.length > this.most ? tags.slice(0, this.most - 1) : tags;
    const chips = first.map((tag) => element("li", { title: tag }, tag));
    const others = tags.slice(first.length);
    if (others.length) chips.push(element("li", { class: "more", title: others.join(", ") }, `+${others.length}`));
    this.element.replaceChildren(...chips);
    show(this.element, tags.length > 0);
  }
}
