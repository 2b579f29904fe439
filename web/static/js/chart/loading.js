// @ts-check
/** Has one chart filled from history: says what comes of it, gives up what is no longer wanted, and asks again later. */

import { HistoryError } from "./history.js";
import { untilAgain } from "../live/asking.js";

/** @typedef {import("./timeline.js").Timeline} Timeline */

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
    chart.say("loading", "Loading…");
  }

  /** Ask, instead of what is asked now. */
  async start() {
    this.stop();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const timeline = await this.ask(signal);
      this.done(timeline);
      if (timeline.times.length) this.chart.say("filled", "");
      else this.chart.say("empty", "Nothing was recorded in this time.");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof HistoryError)) throw error;
      this.chart.say("away", error.passing ? `${error.message} Trying again.` : error.message);
      if (error.passing) this.retryTimer = setTimeout(() => void this.start(), untilAgain());
      this.done(null);
    }
  }

  stop() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
  }
}
