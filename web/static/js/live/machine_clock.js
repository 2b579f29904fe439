// @ts-check
/** How far a machine's clock is off the hub's, and which moment its charts end at. Pure. */

import { duration } from "../page/units.js";

/** @typedef {import("./machine_state.js").Machine} Machine */
/** @typedef {import("./contract.js").FleetEvent} FleetEvent */

/** Seconds: less than this can be a sample that was long on its way. */
const WORTH_SAYING = 60;
/** What only the hub says, by its own clock; as in wire.py, which refuses it from machines. */
export const HUB_FAMILIES = [
  "alert",
  "events",
  "hub",
  "machine",
  "notification",
  "rules",
  "samples",
  "silence",
  "stream",
];

/**
 * Seconds by which its clock is ahead of the hub's, less than 0 if behind; 0 if that is little or not known.
 * @param {Machine} machine
 */
export function clockOff(machine) {
  if (machine.time === null || machine.received === null) return 0;
  const ahead = machine.time - machine.received;
  return Math.abs(ahead) > WORTH_SAYING ? ahead : 0;
}

/**
 * "its clock is 10 min ahead", or "".
 * @param {Machine} machine
 */
export function clockText(machine) {
  const off = clockOff(machine);
  return off === 0 ? "" : `its clock is ${duration(Math.abs(off))} ${off > 0 ? "ahead" : "behind"}`;
}

/**
 * Where the time range of its charts ends. A machine whose clock is off is followed by its own.
 * @param {Machine | undefined} machine
 * @param {number} now seconds since 1970 by the hub's clock
 */
export function presentOf(machine, now) {
  if (!machine || machine.time === null) return now;
  return clockOff(machine) === 0 ? Math.max(now, machine.time) : machine.time;
}

/**
 * Events as its charts have them, which follow its clock: what the hub says is moved by as much as that is off now.
 * @param {Machine | undefined} machine
 * @param {FleetEvent[]} events
 * @returns {FleetEvent[]}
 */
export function byItsClock(machine, events) {
  const off = machine ? clockOff(machine) : 0;
  if (off === 0) return events;
  return events.map((event) => (isHubs(event) ? { ...event, time: event.time + off } : event));
}

/**
 * Of what time events are needed by charts that show a time of its clock: both clocks' events lie in it.
 * @param {Machine | undefined} machine
 * @param {[from: number, to: number]} shown seconds since 1970
 * @returns {[from: number, to: number]}
 */
export function eventsWithin(machine, [from, to]) {
  const off = machine ? clockOff(machine) : 0;
  return [Math.min(from, from - off), Math.max(to, to - off)];
}

/** @param {FleetEvent} event */
const isHubs = (event) => HUB_FAMILIES.includes(event.kind.split(".")[0]);
