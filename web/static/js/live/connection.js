// @ts-check
/** The WebSocket to the gateway: reconnects with full jitter, resyncs by snapshot, and notices a dead link. */

/** @typedef {import("./store.js").Store} Store */
/**
 * Which machines are followed, and which of their metrics; null is all of them.
 * @typedef {{machines: string[] | null, metrics: string[] | null}} Subscription
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** Without a message for so long, ask for a snapshot; without one for as long again, give the link up. */
const QUIET_MS = 20_000;
/** Once the gateway has told that it sends beats, every 5 s: so long without a message means that the link is dead. */
const MISSED_BEATS_MS = 12_000;
/**
 * A link that was given up may have been slow and not dead: the next is waited for twice as long, so that it can take
 * what is large, up to so many times as long.
 */
const MOST_PATIENCE = 4;
/** A link that was not given up for so long is not slow. */
const CALM_MS = 300_000;
/** So long after it was skipped, what this page was too slow for is surely in the history. */
const STORED_MS = 5000;
/** A link that is always slow is not to be made slower by asking for history all the time. */
const SKIPPED_AGAIN_MS = 60_000;
/** What the gateway does not follow now it may later, when other pages are closed. */
const REFUSED_AGAIN_MS = 30_000;
/** A longer query some proxies refuse; then it is asked for by a message. */
const LONGEST_QUERY = 4000;
/** What no gateway refuses. @type {Subscription} */
const EVERYTHING = { machines: null, metrics: null };

/**
 * How long to wait before the attempt: anything up to a bound that doubles, so that a thousand pages do not come back
 * at once; at least a fifth of a second.
 * @param {number} attempt counts from 1
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function waitBefore(attempt, random) {
  const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.max(200, random() * bound);
}

/** What a machine can be called; the page's address may name anything. */
const NAME = /^[\w.-]+$/;

/**
 * @param {Subscription} subscription
 * @returns {string | null} "", or "?metrics=cpu.percent,memory.percent"; null if no address can ask for it
 */
function queryOf({ machines, metrics }) {
  if (machines?.some((name) => !NAME.test(name))) return null;
  const query = new URLSearchParams();
  if (machines !== null) query.set("machines", machines.join(","));
  if (metrics !== null) query.set("metrics", metrics.join(","));
  const text = query.toString();
  if (text.length > LONGEST_QUERY) return null;
  return text && `?${text}`;
}

export class Connection {
  /**
   * @param {string} address of the WebSocket
   * @param {Store} store takes messages and the state of the link
   */
  constructor(address, store) {
    this.address = address;
    this.store = store;
    /** @type {Subscription} */
    this.subscription = EVERYTHING;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.attempt = 0;
    this.patience = 1;
    /** In milliseconds of performance.now(). */
    this.openedAt = 0;
    this.retryTimer = 0;
    this.quietTimer = 0;
    this.refusedTimer = 0;
    this.skippedTimer = 0;
    /** When what was skipped may be asked for again, in milliseconds of performance.now(). */
    this.skippedFrom = 0;
    /** Whether a beat was heard on this connection. */
    this.beats = false;
    /** Whether the next snapshot is one that was asked for. */
    this.wished = true;
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
  }

  /**
   * Follow these only; a snapshot follows unless that is so already.
   * @param {Subscription} subscription
   */
  subscribe(subscription) {
    if (JSON.stringify(subscription) === JSON.stringify(this.subscription)) return;
    this.subscription = subscription;
    this.accepted();
    this.sendSubscription();
  }

  open() {
    clearTimeout(this.retryTimer);
    this.store.setLink({ state: this.attempt ? "closed" : "connecting", attempt: this.attempt, retryAt: 0 });
    // Asked for in the address, so that nothing else is sent first.
    const query = queryOf(this.subscription);
    const asked = query === null ? null : this.subscription;
    const socket = new WebSocket(this.address + (query ?? ""));
    this.socket = socket;
    this.openedAt = performance.now();
    this.beats = false;
    this.wished = true;
    this.expectWord(socket, QUIET_MS, () => this.giveUp(socket));
    socket.addEventListener("open", () => {
      if (this.subscription !== asked) this.sendSubscription();
    });
    socket.addEventListener("message", (event) => this.take(socket, event.data));
    socket.addEventListener("close", () => this.lost(socket));
  }

  /**
   * @param {WebSocket} socket
   * @param {string} text
   */
  take(socket, text) {
    if (socket !== this.socket) return;
    this.heard();
    const message = /** @type {import("./contract.js").Message} */ (JSON.parse(text));
    if (message.type === "snapshot") {
      // It takes the place of what the gateway itself has missed, or of what this page was too slow for.
      if (!this.wished) this.store.miss();
      this.wished = false;
    }
    this.store.receive(message);
    if (message.type === "frames" && message.skipped) this.askForSkipped();
    if (message.type === "snapshot" && this.store.link.state !== "open") {
      this.attempt = 0;
      this.store.setLink({ state: "open", attempt: 0, retryAt: 0 });
    }
    if (message.type === "error") this.refused(message.detail);
    if (message.type === "snapshot" && isOf(message, this.subscription)) this.accepted();
    if (message.type === "beat") this.beats = true;
    if (this.beats) this.expectWord(socket, MISSED_BEATS_MS, () => this.giveUp(socket));
    else this.expectWord(socket, QUIET_MS, () => this.askForWord(socket));
  }

  askForSkipped() {
    if (this.skippedTimer) return;
    const wait = Math.max(STORED_MS, this.skippedFrom - performance.now());
    this.skippedTimer = setTimeout(() => {
      this.skippedTimer = 0;
      this.skippedFrom = performance.now() + SKIPPED_AGAIN_MS;
      this.store.miss();
    }, wait);
  }

  heard() {
    const { link } = this.store;
    if (link.state === "quiet") this.store.setLink({ ...link, state: "open" });
    if (performance.now() - this.openedAt > CALM_MS) this.patience = 1;
  }

  /**
   * The gateway does not follow what the page asks for. The page works with everything as well, at a higher cost.
   * @param {string} why
   */
  refused(why) {
    console.warn(`the gateway says: ${why}`);
    // Where it was asked for in the address, everything has come by itself, before it was said why.
    const nothing = this.wished && !this.store.refusal;
    this.store.setRefusal(why);
    if (nothing) this.socket?.send(JSON.stringify({ type: "subscribe", ...EVERYTHING }));
    // No snapshot comes for what was refused: the next is of something else.
    else this.wished = false;
    clearTimeout(this.refusedTimer);
    this.refusedTimer = setTimeout(() => this.sendSubscription(), REFUSED_AGAIN_MS);
  }

  accepted() {
    clearTimeout(this.refusedTimer);
    if (this.store.refusal) this.store.setRefusal("");
  }

  /** @param {WebSocket} socket */
  askForWord(socket) {
    this.sendSubscription();
    this.expectWord(socket, QUIET_MS, () => this.giveUp(socket));
  }

  /** @param {WebSocket} socket */
  giveUp(socket) {
    this.patience = Math.min(2 * this.patience, MOST_PATIENCE);
    socket.close();
    // On a dead network the close event can take minutes.
    this.lost(socket);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} wait milliseconds after which the page says that nothing comes
   * @param {() => void} otherwise what to do when patience has an end as well
   */
  expectWord(socket, wait, otherwise) {
    clearTimeout(this.quietTimer);
    this.after(socket, wait, () => {
      const { link } = this.store;
      if (this.patience === 1) return otherwise();
      if (link.state === "open") this.store.setLink({ ...link, state: "quiet" });
      this.after(socket, wait * (this.patience - 1), otherwise);
    });
  }

  /**
   * @param {WebSocket} socket
   * @param {number} wait milliseconds
   * @param {() => void} then unless it is another socket by then
   */
  after(socket, wait, then) {
    this.quietTimer = setTimeout(() => {
      if (socket === this.socket) then();
    }, wait);
  }

  /** @param {WebSocket} socket */
  lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.quietTimer);
    this.accepted();
    this.attempt += 1;
    const wait = waitBefore(this.attempt, Math.random);
    this.store.setLink({ state: "closed", attempt: this.attempt, retryAt: Date.now() + wait });
    this.retryTimer = setTimeout(() => this.open(), wait);
  }

  retryNow() {
    if (this.socket === null && this.attempt) this.open();
  }

  sendSubscription() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.wished = true;
    this.socket.send(JSON.stringify({ type: "subscribe", ...this.subscription }));
  }
}

/**
 * Whether a snapshot shows what is asked for, and not everything in its place.
 * @param {import("./contract.js").SnapshotMessage} snapshot
 * @param {Subscription} subscription
 */
function isOf({ metrics }, subscription) {
  const sorted = (/** @type {string[] | null | undefined} */ names) => JSON.stringify(names ? [...names].sort() : null);
  return sorted(metrics) === sorted(subscription.metrics);
}
