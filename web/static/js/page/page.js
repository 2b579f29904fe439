// @ts-check
/** What every page is to the frame around it. */

/** @typedef {import("./address.js").View} View */
/**
 * What pages draw from, made once.
 * @typedef {{store: import("../live/store.js").Store, alerts: import("../alerts/alerts.js").Alerts,
 *   events: import("../events/events.js").Events,
 *   thresholds: import("../live/thresholds.js").Thresholds}} Parts
 */

export class Page {
  /** What the tab is called; "" is just the product. */
  title = "";
  /** The machine whose whole frames are kept. @type {string | null} */
  watched = null;
  /** What it needs live. @type {import("../live/connection.js").Subscription} */
  subscription = { machines: null, metrics: null };

  /**
   * Show another view if that is one of this same page, or say that it is not.
   * @param {View} _view
   * @returns {boolean}
   */
  show(_view) {
    return false;
  }

  /** Numbers, machines or the link have changed. @param {import("../live/store.js").Change} _change */
  change(_change) {}

  /** A second has passed. */
  tick() {}

  /** Other alerts fire than before. */
  alertsChanged() {}

  /** Other thresholds hold than before. */
  thresholdsChanged() {}

  /** Other events are known than before. */
  eventsChanged() {}

  /** Events may have been missed. */
  askForEvents() {}

  /** Another page comes. */
  destroy() {}
}
