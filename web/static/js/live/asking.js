// @ts-check
/** Asks the gateway over HTTP: the one way in which all of the page does, whose patience has an end. No DOM. */

/** Longer than the gateway itself waits for the database, or for sysmon-alertd. */
const PATIENCE_MS = 10_000;
const RETRY_SECONDS = 5;
/** Whatever a proxy says. */
const LATEST_SECONDS = 600;
/** Who has to wait longer than that is told how long. */
const LONG_SECONDS = 20;

/**
 * Nothing came in time; there is nobody who could be asked; what the gateway needs for it is away; there is no such thing;
 * or it is not answered.
 * @typedef {"late" | "unreachable" | "away" | "none" | "refused"} Why
 */

/** There is no answer. Its sentences are fit to be shown. */
export class NoAnswer extends Error {
  /**
   * @param {Why} why
   * @param {number} status of HTTP, 0 without one
   * @param {string} detail what the gateway itself says, or ""
   * @param {number} retryAfter in how many seconds it is worth asking again, if it says so
   */
  constructor(why, status = 0, detail = "", retryAfter = RETRY_SECONDS) {
    super(detail || why);
    this.why = why;
    this.status = status;
    this.detail = detail;
    this.retryAfter = Math.min(retryAfter, LATEST_SECONDS);
  }

  /** Whether asking again later can help. */
  get passing() {
    return this.why === "late" || this.why === "unreachable" || this.status >= 500;
  }

  /** In how many milliseconds it is worth asking again; null if it never is. */
  get again() {
    return this.passing ? untilAgain(this.retryAfter) : null;
  }

  /**
   * The same sentence as `sentence`, and that it is asked for again if it is.
   * @param {string} what with a capital
   * @param {boolean} [many] whether it is in the plural
   */
  told(what, many = false) {
    const said = this.sentence(what, many);
    if (!this.passing) return said;
    return this.retryAfter > LONG_SECONDS ? `${said} Trying again after ${this.retryAfter} s.` : `${said} Trying again.`;
  }

  /**
   * What is the matter with what was asked for: "History does not answer."
   * @param {string} what with a capital
   * @param {boolean} [many] whether it is in the plural
   */
  sentence(what, many = false) {
    if (this.why === "late") return `${what} ${many ? "do" : "does"} not answer.`;
    if (this.why === "unreachable") return `${what} cannot be reached.`;
    if (this.why === "away") return `${what} cannot be read: ${this.because}.`;
    return `${what} ${many ? "were" : "was"} refused (${this.status}).`;
  }

  /** The same as what comes after a colon. */
  get because() {
    if (this.why === "late") return "the gateway does not answer";
    if (this.why === "unreachable") return "the gateway cannot be reached";
    if (this.why === "away") return this.detail || "the gateway cannot answer";
    return `the gateway refused (${this.status})`;
  }
}

/**
 * @param {string} address relative to the page
 * @param {AbortSignal | null} [signal] gives it up
 * @param {number} [patience] in milliseconds
 * @returns {Promise<any>} what is answered; rejects with NoAnswer, or AbortError where it was given up
 */
export async function answerOf(address, signal = null, patience = PATIENCE_MS) {
  const late = AbortSignal.timeout(patience);
  try {
    const response = await fetch(address, { signal: signal ? AbortSignal.any([signal, late]) : late });
    if (response.ok) return await response.json();
    const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
    throw new NoAnswer(whyNot(response.status), response.status, await detailOf(response), retryAfter);
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") throw new NoAnswer("late");
    // Nobody there, or a proxy that says something else with a good conscience.
    if (error instanceof TypeError || error instanceof SyntaxError) throw new NoAnswer("unreachable");
    throw error;
  }
}

/**
 * Not all at once, where a thousand pages lost the same gateway.
 * @param {number} [seconds] after which it is worth asking again
 * @returns {number} milliseconds
 */
export function untilAgain(seconds = RETRY_SECONDS) {
  return seconds * 1000 * (1 + Math.random() / 2);
}

/**
 * @param {number} status
 * @returns {Why}
 */
function whyNot(status) {
  if (status === 404) return "none";
  if (status === 503) return "away";
  // A proxy that does not reach the gateway.
  return status === 502 || status === 504 ? "unreachable" : "refused";
}

/** @param {Response} response a problem of the gateway, or anything that a proxy says */
async function detailOf(response) {
  try {
    const { detail } = await response.json();
    return typeof detail === "string" ? detail : "";
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return "";
  }
}
