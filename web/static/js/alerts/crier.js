// @ts-check
/** Tells those who hear the page of alerts that are new: what comes within a second is one sentence. */

import { byId, setText } from "../page/dom.js";
import { newOf, newsText } from "./news.js";

/** @typedef {import("../live/contract.js").Alert} Alert */

const GATHER_MS = 1000;
/** By then it has been read out. The same sentence later is news again only if the place was empty meanwhile. */
const SAID_MS = 10_000;

export class Crier {
  constructor() {
    /** What fired when it was last told of; null before the first answer, of which all is old. @type {Alert[] | null} */
    this.told = null;
    /** @type {Alert[]} */
    this.firing = [];
    this.timer = 0;
    this.clearTimer = 0;
  }

  /** @param {Alert[]} firing all that fire now */
  hear(firing) {
    this.firing = firing;
    this.told ??= firing;
    this.timer ||= setTimeout(() => this.say(), GATHER_MS);
  }

  say() {
    this.timer = 0;
    const text = newsText(newOf(this.told ?? [], this.firing));
    this.told = this.firing;
    if (!text) return;
    clearTimeout(this.clearTimer);
    setText(byId("announced"), text);
    this.clearTimer = setTimeout(() => setText(byId("announced"), ""), SAID_MS);
  }
}
