// @ts-check
/** The list of past alerts: when it fired or was over, what it said, and how long it lasted. */

import { withLink } from "../events/mention.js";
import { element } from "../page/dom.js";
import { hereText, linkTo } from "../page/here.js";
import { duration } from "../page/units.js";
import { clock, dateTime, day } from "../time/moments.js";

/** @typedef {import("./past_alert.js").PastAlert} PastAlert */

/** @type {Record<string, string>} */
const BECAME = { firing: "fired", resolved: "resolved" };

/**
 * @param {PastAlert} past
 * @param {number} now seconds since 1970
 * @param {import("./alerts_choice.js").AlertsChoice} choice
 * @returns {import("../page/keyed_list.js").Item}
 */
export function pastItem(past, now, choice) {
  const said = `${day(now)} ${hereText()}`;
  return { key: String(past.id), said, make: () => pastElement(past, now, choice) };
}

/**
 * @param {PastAlert} past
 * @param {number} now seconds since 1970
 * @param {import("./alerts_choice.js").AlertsChoice} choice
 */
function pastElement(past, now, choice) {
  const today = day(past.time) === day(now);
  const when = element("time", { datetime: new Date(past.time * 1000).toISOString() }, today ? clock(past.time) : dateTime(past.time));
  const became = element("span", { class: "became" }, BECAME[past.became] ?? past.became);
  const said = past.machine ? withLink(past.message, past.machine) : [past.message];
  const item = element(
    "li",
    { "data-severity": past.severity, "data-became": past.became, "data-id": String(past.id) },
    when,
    became,
    element("span", { class: "severity" }, past.severity),
    element("span", { class: "alert-message" }, ...said),
  );
  if (past.rule) item.append(linkTo({ alerts: { ...choice, text: past.rule } }, past.rule));
  else item.append(element("span", {}));
  item.append(element("span", { class: "lasted" }, past.lasted === null ? "" : `lasted ${duration(past.lasted)}`));
  return item;
}
