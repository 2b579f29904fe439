// @ts-check
/** The gateway's clock, as well as the browser knows it. Pure. */

/** Of the last so many messages that tell the time, one every 5 s: either clock may be set, or run faster, meanwhile. */
const HEARD = 6;

export class HubClock {
  /** @param {() => number} browserNow seconds since 1970 by the browser's clock */
  constructor(browserNow) {
    this.browserNow = browserNow;
    /** Seconds by which the gateway's clock seemed to be ahead, by message, oldest first. @type {number[]} */
    this.ahead = [];
  }

  /**
   * The message that was least late tells most.
   * @param {number} time seconds since 1970 by the gateway's clock when it sent a message
   */
  take(time) {
    this.ahead.push(time - this.browserNow());
    if (this.ahead.length > HEARD) this.ahead.shift();
  }

  /** What was heard before says nothing any more. */
  forget() {
    this.ahead = [];
  }

  /** Seconds since 1970; by the browser's clock until the gateway has told the time. */
  now() {
    return this.browserNow() + (this.ahead.length ? Math.max(...this.ahead) : 0);
  }
}
