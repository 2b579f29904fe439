// @ts-check
/** The link from a chart to the comparison of its metric over all machines. */

import { element } from "../page/dom.js";
import { here, pointTo } from "../page/here.js";

/**
 * @param {string} metric
 * @param {string} title of the chart
 */
export function compareLink(metric, title) {
  const link = element("a", { class: "to-compare", "aria-label": `Compare ${title} of all machines` }, "Compare");
  // It leads to the time that is looked at when it is used.
  const point = () => pointTo(link, { page: "compare", machine: "", compare: { ...here().compare, metric, instance: "" } });
  link.addEventListener("pointerenter", point);
  link.addEventListener("focus", point);
  point();
  return link;
}
