// @ts-check
/** The alerts of a time, newest first: asks for them page by page, until enough of those that are chosen are known. No DOM. */

import { NoAnswer, answerOf } from "../live/asking.js";
import { isChosen } from "./alerts_choice.js";
import { FAMILY, pastAlert } from "./past_alert.js";

/** @typedef {import("./alerts_choice.js").AlertsChoice} AlertsChoice */
/** @typedef {import("./past_alert.js").PastAlert} PastAlert */
/** @typedef {import("../live/contract.js").FleetEvent} FleetEvent */

/** So many are shown at first, and more at each wish. */
export const PAGE = 50;
const ASKED = 200;
/** A filter that lets few through is followed so far back at each wish, in pages. */
const MOST_PAGES = 10;
/** So many are kept of what comes live, or as many as were wished for: the oldest can be asked for again. */
export const MOST_KEPT = 1000;

/** The page that comes next: what happened before `to`, and of that moment itself what has a smaller id, if one is said. @typedef {{to: number, before: number | null}} Next */

export class PastAlerts {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {Map<number, PastAlert>} */
    this.known = new Map();
    /** Newest first. @type {PastAlert[]} */
    this.byTime = [];
    /** @type {AlertsChoice} */
    this.choice = { severity: "", machine: "", text: "" };
    this.wanted = PAGE;
    this.from = 0;
    /** What has not been asked for yet. @type {Next} */
    this.next = { to: 0, before: null };
    /** Whether all of the time have been asked for. */
    this.whole = false;
    this.state = /** @type {"loading" | "known" | "away"} */ ("loading");
    this.message = "";
    this.asking = new AbortController();
    this.retryTimer = 0;
  }

  /** Those that are chosen, of what is known. */
  chosen() {
    return this.byTime.filter((one) => isChosen(this.choice, one) && one.time >= this.from);
  }

  /**
   * Begin anew with another time or another machine.
   * @param {AlertsChoice} choice
   * @param {[from: number, to: number]} span seconds since 1970
   */
  begin(choice, [from, to]) {
    this.choice = choice;
    this.known.clear();
    this.byTime = [];
    this.wanted = PAGE;
    this.from = from;
    this.next = { to, before: null };
    this.whole = false;
    void this.follow();
  }

  /** Another text or severity: what is known is looked through first. @param {AlertsChoice} choice */
  choose(choice) {
    this.choice = choice;
    this.wanted = PAGE;
    void this.follow();
  }

  more() {
    this.wanted += PAGE;
    void this.follow();
  }

  /** What came live. @param {FleetEvent[]} events */
  addLive(events) {
    const added = this.add(events);
    const gone = this.byTime.slice(Math.max(MOST_KEPT, this.wanted));
    // What is asked for just now goes on from the oldest that is known.
    if (!gone.length || this.state === "loading") return added;
    for (const { id } of gone) this.known.delete(id);
    this.byTime = this.byTime.slice(0, -gone.length);
    this.whole = false;
    this.next = after(this.byTime.at(-1)) ?? this.next;
    return added;
  }

  /** @param {FleetEvent[]} events */
  add(events) {
    const fresh = events.filter((event) => event.kind.startsWith(FAMILY) && !this.known.has(event.id));
    for (const event of fresh) this.known.set(event.id, pastAlert(event));
    if (fresh.length) this.sort();
    return fresh.length;
  }

  sort() {
    this.byTime = [...this.known.values()].sort((a, b) => b.time - a.time || b.id - a.id);
  }

  /** Ask until as many as wanted are known, or there are no more, or it takes too long. */
  async follow() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.tell("loading", "");
    try {
      for (let page = 0; page < MOST_PAGES && !this.whole && this.chosen().length < this.wanted; page += 1) {
        this.take(await ask(this.choice.machine, this.from, this.next, signal));
        this.onChange();
      }
      this.tell("known", "");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof NoAnswer)) throw error;
      this.tell("away", error.told("Past alerts", true));
      if (error.again !== null) this.retryTimer = setTimeout(() => void this.follow(), error.again);
    }
  }

  /** @param {FleetEvent[]} events newest first, all that there are of the next page or as many as were asked for */
  take(events) {
    this.add(events);
    this.whole = events.length < ASKED;
    this.next = after(events.at(-1)) ?? this.next;
  }

  /**
   * @param {"loading" | "known" | "away"} state
   * @param {string} message
   */
  tell(state, message) {
    this.state = state;
    this.message = message;
    this.onChange();
  }

  destroy() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
  }
}

/**
 * Many alerts may be of one moment, as of all machines behind a switch that died.
 * @param {{time: number, id: number} | undefined} last that is known
 * @returns {Next | null}
 */
function after(last) {
  return last ? { to: last.time, before: last.id } : null;
}

/**
 * @param {string} machine "" is any
 * @param {number} from seconds since 1970
 * @param {Next} next
 * @param {AbortSignal} signal
 * @returns {Promise<FleetEvent[]>} rejects with NoAnswer, or AbortError
 */
async function ask(machine, from, { to, before }, signal) {
  const query = new URLSearchParams({ kind: "alert", from: from.toFixed(6), to: to.toFixed(6), limit: String(ASKED) });
  if (machine) query.set("machine", machine);
  if (before !== null) query.set("before", String(before));
  return (await answerOf(`api/events?${query}`, signal)).events;
}
