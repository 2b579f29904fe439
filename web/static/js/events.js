// @ts-check
/** What happened lately, newest first: of the fleet or of one machine. */

import { byId, element, setText, show } from "./dom.js";
import { withLink } from "./mention.js";
import { clock, dateTime, day } from "./units.js";

/** @typedef {import("./contract.js").FleetEvent} FleetEvent */

const MOST_SHOWN = 30;

/**
 * Each event once, the newest first: some come live while the past ones are asked for.
 * @param {FleetEvent[]} some
 * @param {FleetEvent[]} others
 */
export function merged(some, others) {
  const byNumber = new Map([...some, ...others].map((event) => [event.id, event]));
  return [...byNumber.values()].sort((a, b) => b.id - a.id).slice(0, MOST_SHOWN);
}

export class Events {
  /** @param {() => number} now seconds since 1970 */
  constructor(now) {
    this.now = now;
    /** @type {string | null} */
    this.machine = null;
    /** @type {FleetEvent[]} */
    this.shown = [];
    this.asking = new AbortController();
  }

  /**
   * Ask anew for the events of a machine, or of all.
   * @param {string | null} machine
   */
  async load(machine) {
    this.asking.abort();
    this.asking = new AbortController();
    if (machine !== this.machine) this.shown = [];
    this.machine = machine;
    this.draw("");
    const query = new URLSearchParams({ limit: String(MOST_SHOWN) });
    if (machine !== null) query.set("machine", machine);
    try {
      const response = await fetch(`api/events?${query}`, { signal: this.asking.signal });
      if (response.ok) this.shown = merged(this.shown, (await response.json()).events);
      this.draw(response.ok ? "Nothing has happened yet." : "Past events are away: the database does not answer.");
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (!(error instanceof TypeError)) throw error;
      this.draw("Past events cannot be reached.");
    }
  }

  /** @param {FleetEvent[]} events as they arrived */
  add(events) {
    const known = new Set(this.shown.map((event) => event.id));
    const fresh = events.filter(
      (event) => !known.has(event.id) && (this.machine === null || event.machine === this.machine),
    );
    if (!fresh.length) return;
    this.shown = merged(this.shown, fresh);
    this.draw("");
  }

  /** @param {string} nothing what to say when there is none */
  draw(nothing) {
    byId("event-list").replaceChildren(...this.shown.map((event) => this.item(event)));
    setText(byId("events-none"), nothing);
    show(byId("events-none"), this.shown.length === 0 && nothing !== "");
  }

  /** @param {FleetEvent} event */
  item(event) {
    const today = day(event.time) === day(this.now());
    const when = today ? clock(event.time, false) : dateTime(event.time).slice(5);
    const said = element("span", { class: "event-message" }, ...this.words(event));
    return element(
      "li",
      { "data-severity": event.severity, "data-kind": event.kind },
      element("time", { datetime: new Date(event.time * 1000).toISOString() }, when),
      said,
    );
  }

  /** @param {FleetEvent} event */
  words(event) {
    if (event.machine === null || this.machine !== null) return [event.message];
    return withLink(event.message, event.machine);
  }
}
