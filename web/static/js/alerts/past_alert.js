// @ts-check
/** What an event says of an alert: that it fired, that it is over, and for how long it lasted. Pure. */

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */
/**
 * `became` is the last word of the event's kind ("firing", "resolved"), `severity` is that of the alert, also where it is
 * over; `lasted` are the seconds that its condition held, null while it fires or where that is not known.
 * @typedef {import("./alerts_choice.js").About & {id: number, time: number, became: string, since: number | null,
 *   lasted: number | null, value: number | null, threshold: number | null}} PastAlert
 */

export const FAMILY = "alert.";

/**
 * @param {FleetEvent} event whose kind is alert.*
 * @returns {PastAlert}
 */
export function pastAlert(event) {
  const { fields } = event;
  const became = event.kind.slice(FAMILY.length);
  const since = numberOf(fields.since);
  return {
    id: event.id,
    time: event.time,
    became,
    machine: event.machine ?? textOf(fields.machine),
    message: event.message,
    severity: textOf(fields.severity) || event.severity,
    rule: textOf(fields.rule),
    metric: textOf(fields.metric),
    instance: textOf(fields.instance),
    since,
    lasted: became === "firing" || since === null ? null : Math.max(0, event.time - since),
    value: numberOf(fields.value),
    threshold: numberOf(fields.threshold),
  };
}

/** @param {unknown} value */
const textOf = (value) => (typeof value === "string" ? value : "");

/** @param {unknown} value */
const numberOf = (value) => (typeof value === "number" ? value : null);
