// @ts-check
/** Has one chart filled from history: says what comes of it, gives up what is no longer wanted, and asks again later. */

import { HistoryError } from "./history.js";

/** @typedef {import("./timeline.js").Timeline} Timeline */

/** An answer that is here within so many milliseconds is not worth a word. */
export const WORTH_SAYING_MS = 300;

export class Loading {
  /**
   * @param {import("./chart.js").Chart} chart
   * @param {(signal: AbortSignal) => Promise<Timeline>} ask rejects with HistoryError, or AbortError
   * @param {(timeline: Timeline | null) => void} done what history says, or null where it says nothing
   */
  constructor(chart, ask, done) {
    this.chart = chart;
    this.ask = ask;
    this.done = done;
    this.asking = new AbortController();
    this.retryTimer = 0;
    this.sayTimer = 0;
    chart.say("loading", "Loading…");
  }

  /** Ask, instead of what is asked now. What is drawn stays until there is an answer. */
  start() {
    this.stop();
    this.sayTimer = setTimeout(() => this.chart.say("loading", "Loading…"), WORTH_SAYING_MS);
    return this.fill();
  }

  /** Asks again after no answer leave said why there was none. */
  async fill() {
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const timeline = await this.ask(signal);
      clearTimeout(this.sayTimer);
      this.done(timeline);
      if (timeline.times.length) this.chart.say("filled", "");
      else this.chart.say("empty", "Nothing was recorded in this time.");
    } catch (error) {
      if (signal.aborted) return;
      clearTimeout(this.sayTimer);
      if (!(error instanceof HistoryError)) throw error;
      this.chart.say("away", error.message);
      if (error.again !== null) this.retryTimer = setTimeout(() => void this.fill(), error.again);
      this.done(null);
    }
  }

  stop() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
    clearTimeout(this.sayTimer);
  }
}
