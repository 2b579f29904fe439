// @ts-check
/** The rules that alerts come of: asked of the gateway, which asks sysmon-alertd. */

import { NoAnswer, answerOf, untilAgain } from "../live/asking.js";

/**
 * As /api/rules has it; a rule about silence has no metric.
 * @typedef {{rule: string, source: "default" | "changed" | "file", severity: string, machine: string,
 *   for_seconds: number, silent: boolean, metric: string | null, instance: string | null, comparison: string | null,
 *   threshold: number | null, clear: number | null, message: string, resolved: string, firing: number,
 *   pending: number}} Rule
 */

export class Rules {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** By name; null until they are known. @type {Map<string, Rule> | null} */
    this.known = null;
    /** Why they cannot be asked for now, or "". */
    this.away = "";
    this.retryTimer = 0;
    this.asking = new AbortController();
  }

  async refresh() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      this.take((await answerOf("api/rules", signal)).rules);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof NoAnswer)) throw error;
      this.failed(error.because);
    }
  }

  /** @param {Rule[]} rules */
  take(rules) {
    this.known = new Map(rules.map((one) => [one.rule, one]));
    this.away = "";
    this.onChange();
  }

  /** @param {string} why */
  failed(why) {
    this.away = why;
    this.retryTimer = setTimeout(() => void this.refresh(), untilAgain());
    this.onChange();
  }

  destroy() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
  }
}
