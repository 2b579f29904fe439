// @ts-check
/** Is built up by the changes to come. */

import { Page } from "../page/page.js";

export class AlertsPage extends Page {
  /** @override */
  title = "Alerts";

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
