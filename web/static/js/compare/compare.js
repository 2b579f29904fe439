// @ts-check
/** Is built up by the changes to come. */

import { Page } from "../page/page.js";

export class ComparePage extends Page {
  /** @override */
  title = "Compare";

  /**
   * @param {import("../page/page.js").Parts} parts
   * @param {import("../page/page.js").View} view
   */
  constructor(parts, view) {
    super();
    this.parts = parts;
    this.view = view;
  }
}
