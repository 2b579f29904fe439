// @ts-check
/** The rules that alerts come of: asked of the gateway, which asks sysmon-alertd. */

/**
 * As /api/rules has it; a rule about silence has no metric.
 * @typedef {{rule: string, source: "default" | "changed" | "file", severity: string, machine: string,
 *   for_seconds: number, silent: boolean, metric: string | null, instance: string | null, comparison: string | null,
 *   threshold: number | null, clear: number | null, message: string, resolved: string, firing: number,
 *   pending: number}} Rule
 */

const RETRY_MS = 5000;

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
      const response = await fetch("api/rules", { signal });
      const answer = await response.json();
      if (response.ok) this.take(answer.rules);
      else this.failed(String(answer.detail ?? "sysmon-alertd does not answer"));
    } catch (error) {
      if (signal.aborted) return;
      // No answer at all, or a proxy's, which is no JSON.
      if (!(error instanceof TypeError) && !(error instanceof SyntaxError)) throw error;
      this.failed("the gateway cannot be reached");
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
    this.retryTimer = setTimeout(() => void this.refresh(), RETRY_MS * (0.5 + Math.random()));
    this.onChange();
  }

  destroy() {
    this.asking.abort();
    clearTimeout(this.retryTimer);
  }
}
