// @ts-check
/** The bar that says which time charts show and changes it: presets, earlier and later, wider and narrower, any range. */

import { byId, setText, show } from "../page/dom.js";
import { go, here, linkTo } from "../page/here.js";
import { KeyedList } from "../page/keyed_list.js";
import { duration } from "../page/units.js";
import { clock, dateTime, day, isInUtc, momentOf } from "./moments.js";
import { LATEST, LONGEST_SECONDS, RANGES, drawnSpan, panned, zoomed } from "./time_choice.js";

/** @typedef {import("./time_choice.js").Span} Span */
/** @typedef {import("./time_choice.js").TimeChoice} TimeChoice */
/** @typedef {import("./time_choice.js").RangeName} RangeName */

const STEP = 0.5;
const FACTOR = 2;

export class TimeBar {
  /**
   * @param {HTMLElement} bar of the page's markup
   * @param {() => number} now seconds since 1970
   */
  constructor(bar, now) {
    this.element = bar;
    this.now = now;
    this.presets = new KeyedList(byId("ranges"));
    this.form = /** @type {HTMLFormElement} */ (byId("time-form"));
    this.menu = /** @type {HTMLDetailsElement} */ (byId("time-custom"));
    this.from = /** @type {HTMLInputElement} */ (byId("time-from"));
    this.to = /** @type {HTMLInputElement} */ (byId("time-to"));
    /** What was written into the form, and the moments that it means: a clock that was set back shows some hours twice. @type {Map<string, number>} */
    this.written = new Map();
    this.listen();
  }

  listen() {
    const on = (/** @type {string} */ id, /** @type {() => void} */ act) => byId(id).addEventListener("click", act);
    on("time-earlier", () => this.move(panned(this.span(), -STEP, this.now())));
    on("time-later", () => this.move(panned(this.span(), STEP, this.now())));
    on("time-wider", () => this.zoom(FACTOR));
    on("time-narrower", () => this.zoom(1 / FACTOR));
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.menu.addEventListener("toggle", () => this.menu.open && this.fill());
    document.addEventListener("click", (click) => {
      if (click.target instanceof Node && !this.menu.contains(click.target)) this.menu.open = false;
    });
    this.menu.addEventListener("keydown", (key) => {
      if (key.key !== "Escape") return;
      this.menu.open = false;
      this.menu.querySelector("summary")?.focus();
    });
  }

  /** @param {TimeChoice} time */
  show(time) {
    this.presets.show(Object.keys(RANGES).map((name) => this.preset(/** @type {RangeName} */ (name), time)));
    this.menu.open = false;
    setText(byId("time-said"), time.fixed ? spanText(time.fixed) : "Custom");
    this.element.dataset.live = String(time.fixed === null);
    /** @type {HTMLButtonElement} */ (byId("time-later")).disabled = time.fixed === null;
    const live = /** @type {HTMLElement} */ (byId("time-live"));
    live.replaceChildren(time.fixed ? linkTo({ time: { ...time, fixed: null } }, "Live") : "");
    show(live, time.fixed !== null);
  }

  /**
   * @param {RangeName} last
   * @param {TimeChoice} time
   * @returns {import("../page/keyed_list.js").Item}
   */
  preset(last, time) {
    const link = linkTo({ time: { ...time, last, fixed: null } }, last);
    if (last === time.last && time.fixed === null) link.setAttribute("aria-current", "true");
    return { key: last, said: link.outerHTML, make: () => link };
  }

  /** @returns {Span} */
  span() {
    const { fixed, last } = here().time;
    return fixed ?? [this.now() - RANGES[last], this.now()];
  }

  /** @param {number} factor */
  zoom(factor) {
    const [from, to] = this.span();
    // What is live stays so in mind: it is the end that people look at.
    const around = here().time.fixed ? (from + to) / 2 : to;
    this.move(zoomed([from, to], factor, around, this.now()));
  }

  /** @param {Span} span */
  move(span) {
    go({ time: { ...here().time, fixed: drawnSpan(...span) } });
  }

  /** The form says what is shown now. */
  fill() {
    const [from, to] = this.span();
    this.from.value = inputText(from);
    this.to.value = inputText(to);
    this.written = new Map([
      [`from ${this.from.value}`, from],
      [`to ${this.to.value}`, to],
    ]);
    this.to.setCustomValidity("");
    setText(byId("time-zone"), isInUtc() ? "UTC" : "local time");
    this.from.focus();
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const from = this.written.get(`from ${this.from.value}`) ?? momentOf(this.from.value);
    const to = this.written.get(`to ${this.to.value}`) ?? momentOf(this.to.value);
    if (from === null || to === null) return;
    this.to.setCustomValidity(faultOf(from, to));
    if (!this.form.reportValidity()) {
      this.to.addEventListener("input", () => this.to.setCustomValidity(""), { once: true });
      return;
    }
    this.move([from, to]);
  }
}

/**
 * Why a range cannot be shown, or "".
 * @param {number} from seconds since 1970
 * @param {number} to seconds since 1970
 */
function faultOf(from, to) {
  if (from >= to) return "The end is not after the beginning.";
  if (from < 0 || to > LATEST) return "Both lie between 1970 and 2100.";
  return to - from > LONGEST_SECONDS ? "Ten years are the most that can be shown." : "";
}

/**
 * "2026-11-30 06:00 – 07:30 (1 h 30 min)".
 * @param {Span} span
 */
export function spanText([from, to]) {
  const short = to - from < 600;
  const end = day(from) === day(to) ? clock(to, short) : dateTime(to);
  return `${day(from)} ${clock(from, short)} – ${end} (${duration(to - from)})`;
}

/**
 * As an input of type datetime-local has it.
 * @param {number} seconds since 1970
 */
function inputText(seconds) {
  return `${day(seconds)}T${clock(seconds)}`;
}
