// @ts-check
/** What happened lately, newest first: of the fleet or of one machine. Asks for it, keeps it and lists it. */

import { NoAnswer, answerOf } from "../live/asking.js";
import { byId, element, setText, show } from "../page/dom.js";
import { hereText } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";
import { Happened, MOST_KEPT } from "./happened.js";
import { withLink } from "./mention.js";
import { clock, dateTime, day } from "../time/moments.js";

/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */

const MOST_SHOWN = 30;
/** Of the time that charts show. */
const MOST_ASKED = 500;

export class Events {
  /**
   * @param {() => number} now seconds since 1970
   * @param {() => void} onChange called when others are known than before
   */
  constructor(now, onChange) {
    this.now = now;
    this.onChange = onChange;
    /** @type {string | null} */
    this.machine = null;
    this.happened = new Happened();
    this.asking = new AbortController();
    this.retryTimer = 0;
    this.mostShown = MOST_SHOWN;
    /** Whether the time that is shown has more events than were asked for. */
    this.cut = false;
    this.list = new KeyedList(byId("event-list"));
    byId("events-more").addEventListener("click", () => this.unfold());
  }

  /**
   * Ask anew for the last events of a machine and for those of the time that its charts show, or for the last of all.
   * @param {string | null} machine
   * @param {[from: number, to: number]} shown seconds since 1970: the time that the charts of the machine
   * show, without an end while they are live
   */
  async load(machine, shown) {
    this.asking.abort();
    clearTimeout(this.retryTimer);
    this.asking = new AbortController();
    if (machine !== this.machine) this.begin(machine);
    const { signal } = this.asking;
    this.draw("");
    try {
      const answers = await Promise.all(questions(machine, shown).map((question) => ask(question, signal)));
      this.cut = answers.some((events) => events.length === MOST_ASKED);
      this.take(answers.flat(), "Nothing has happened yet.");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof NoAnswer)) throw error;
      this.draw(error.told("Past events", true));
      const again = () => void this.load(machine, shown);
      if (error.again !== null) this.retryTimer = setTimeout(again, error.again);
    }
  }

  /** @param {string | null} machine */
  begin(machine) {
    this.machine = machine;
    this.happened.clear();
    this.mostShown = MOST_SHOWN;
    this.cut = false;
  }

  /** @param {FleetEvent[]} events as they arrived */
  add(events) {
    this.take(
      events.filter((event) => this.machine === null || event.machine === this.machine),
      "",
    );
  }

  /**
   * @param {FleetEvent[]} events
   * @param {string} nothing what to say when none is known
   */
  take(events, nothing) {
    const changed = this.happened.add(events);
    if (changed || nothing) this.draw(nothing);
    if (changed) this.onChange();
  }

  /** Show all that are known, which are all that charts mark. */
  unfold() {
    this.mostShown = MOST_KEPT;
    this.draw("");
  }

  /** @param {string} nothing what to say when there is none */
  draw(nothing) {
    const known = this.machine === null ? this.happened.lastTold(this.mostShown) : this.happened.byTime.toReversed();
    const today = day(this.now());
    const said = `${today} ${hereText()}`;
    this.list.show(
      known.slice(0, this.mostShown).map((event) => ({ key: String(event.id), said, make: () => this.item(event, today) })),
    );
    const more = this.machine === null ? 0 : known.length - this.mostShown;
    setText(byId("events-more"), `and ${more} more`);
    show(byId("events-more"), more > 0);
    show(byId("events-cut"), this.cut || (this.machine !== null && this.happened.dropped));
    setText(byId("events-none"), nothing);
    show(byId("events-none"), known.length === 0 && nothing !== "");
  }

  /** Times are to be written in another zone. */
  rewrite() {
    this.draw("");
  }

  /**
   * @param {FleetEvent} event
   * @param {string} today
   */
  item(event, today) {
    const when = day(event.time) === today ? clock(event.time, false) : dateTime(event.time).slice(5);
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

/**
 * A range, even of all times, has what happened last; without one it is what was told of last.
 * @param {string | null} machine
 * @param {[from: number, to: number]} shown seconds since 1970
 * @returns {Record<string, string>[]}
 */
function questions(machine, [from, to]) {
  if (machine === null) return [{ limit: String(MOST_SHOWN) }];
  /** @type {Record<string, string>} */
  const inside = { machine, from: Math.max(0, from).toFixed(3), limit: String(MOST_ASKED) };
  if (to < Infinity) inside.to = to.toFixed(3);
  return [{ machine, from: "0", limit: String(MOST_SHOWN) }, inside];
}

/**
 * @param {Record<string, string>} question
 * @param {AbortSignal} signal
 * @returns {Promise<FleetEvent[]>} rejects with NoAnswer, or AbortError
 */
export async function ask(question, signal) {
  return (await answerOf(`api/events?${new URLSearchParams(question)}`, signal)).events;
}
