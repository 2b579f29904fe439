// @ts-check
/** The one store of live state: machines, layouts, newest values, short traces. It knows the gateway's messages, no DOM. */

import { HubClock } from "./hub_clock.js";
import { Layout } from "./layout.js";
import { Machine } from "./machine_state.js";

/** @typedef {import("./contract.js").Message} Message */
/** @typedef {import("./contract.js").MachineEntry} MachineEntry */
/** @typedef {import("./contract.js").Frame} Frame */
/** @typedef {import("./contract.js").FleetEvent} FleetEvent */

const KEPT_FRAMES = 2000;
const KEPT_EVENTS = 100;
const SPARE_LAYOUTS = 50;

/**
 * What changed since the last call: names of machines with new values or facts, whether machines came or went, whether
 * the link or its quality changed, events that arrived, and whether more arrived than those.
 * @typedef {{machines: Set<string>, membership: boolean, link: boolean, events: FleetEvent[], eventsLost: boolean,
 *   rules: boolean}} Change
 */
/** @returns {Change} */
const noChange = () => ({ machines: new Set(), membership: false, link: false, events: [], eventsLost: false, rules: false });

/**
 * It is "quiet" while nothing comes that should, and it may still be that it is slow. `attempt` counts from 1 while
 * disconnected; `retryAt` is in milliseconds of Date.now().
 * @typedef {{state: "connecting" | "open" | "quiet" | "closed", attempt: number, retryAt: number}} Link
 */

export class Store {
  /**
   * @param {(flush: () => void) => unknown} schedule runs `flush` once, soon: requestAnimationFrame in the page
   * @param {() => number} now seconds since 1970 by the browser's clock
   */
  constructor(schedule, now = () => Date.now() / 1000) {
    this.schedule = schedule;
    this.clock = new HubClock(now);
    /** @type {Map<string, Machine>} */
    this.machines = new Map();
    /** @type {Map<string, Layout>} */
    this.layouts = new Map();
    this.mostLayouts = SPARE_LAYOUTS;
    /** @type {Link} */
    this.link = { state: "connecting", attempt: 0, retryAt: 0 };
    /** Why there is no live data although the link is open; "" while there is. */
    this.liveFault = "";
    /** Why no alert is evaluated; "" while they are. */
    this.unevaluated = "";
    /** Why the gateway does not send what is asked for, but everything; "" if it does. */
    this.refusal = "";
    this.loaded = false;
    /** Of what metrics frames hold the values; null is all of them. @type {string[] | null} */
    this.metrics = null;
    /** Counts the times that the link came back: what was missed in between is only in history. */
    this.generation = 0;
    /** The machine whose whole frames are kept, and no other's. @type {string | null} */
    this.watched = null;
    /** The machines that are subscribed to; null is all. @type {Set<string> | null} */
    this.followed = null;
    /** Whether others are followed than before, and no snapshot has told of them yet. */
    this.awaited = false;
    /** Frames of the watched machine, oldest first. @type {Frame[]} */
    this.frames = [];
    this.pending = noChange();
    this.scheduled = false;
    /** @type {Set<(change: Change) => void>} */
    this.changeListeners = new Set();
    /** @type {Set<(frame: Frame) => void>} */
    this.frameListeners = new Set();
  }

  /** Seconds since 1970 by the gateway's clock, as well as the browser knows it. */
  now() {
    return this.clock.now();
  }

  /** Whether what is shown is not known to be current. */
  get stale() {
    return this.link.state !== "open" || this.liveFault !== "" || !this.loaded;
  }

  /** Whether a machine that is followed and not known is none. */
  get complete() {
    return this.loaded && !this.awaited;
  }

  /**
   * Hear of changes, gathered until the next drawing. Returns how to stop.
   * @param {(change: Change) => void} listener
   */
  onChange(listener) {
    this.changeListeners.add(listener);
    return () => void this.changeListeners.delete(listener);
  }

  /**
   * Hear of each frame at once, of every machine that is subscribed to. Returns how to stop.
   * @param {(frame: Frame) => void} listener
   */
  onFrame(listener) {
    this.frameListeners.add(listener);
    return () => void this.frameListeners.delete(listener);
  }

  /**
   * Keep whole frames of one machine, or of none. A snapshot tells only of the machines that are followed: of others
   * that are not in it nothing is known anew.
   * @param {string | null} machine
   * @param {string[] | null} followed null is all
   */
  watch(machine, followed) {
    const before = this.followed;
    this.followed = followed === null ? null : new Set(followed);
    if (before !== null && (followed === null || followed.some((name) => !before.has(name)))) this.expectSnapshot();
    if (machine === this.watched) return;
    this.watched = machine;
    this.frames = [];
  }

  /** Until the next snapshot what is not known may be there. */
  expectSnapshot() {
    this.awaited = true;
    this.pending.membership = true;
    this.wake();
  }

  /** @param {Link} link */
  setLink(link) {
    this.link = link;
    this.pending.link = true;
    this.wake();
  }

  /** @param {string} why */
  setRefusal(why) {
    this.refusal = why;
    this.pending.link = true;
    this.wake();
  }

  /**
   * Take in one message of the gateway.
   * @param {Message} message
   */
  receive(message) {
    switch (message.type) {
      case "snapshot":
        this.takeSnapshot(message);
        break;
      case "layout":
        this.takeLayout(message);
        break;
      case "frames":
        for (const frame of message.frames) this.takeFrame(frame);
        break;
      case "machine":
        this.takeMachine(message);
        break;
      case "state":
        this.takeState(message.machine, message.state);
        break;
      case "forgotten":
        for (const name of message.machines) this.drop(name);
        break;
      case "beat":
        this.clock.take(message.time);
        break;
      case "event":
        this.takeEvent(message.event);
        break;
      case "live":
        this.liveFault = message.live ? "" : message.reason || "no reason given";
        this.pending.link = true;
        break;
      case "alerting":
        this.unevaluated = message.unevaluated;
        this.pending.link = true;
        break;
      case "rules":
        this.pending.rules = true;
        break;
    }
    this.wake();
  }

  /** Nothing is drawn while the tab is hidden: what is too much to keep is asked for afterwards. @param {FleetEvent} event */
  takeEvent(event) {
    const { events } = this.pending;
    events.push(event);
    if (events.length <= KEPT_EVENTS) return;
    events.shift();
    this.pending.eventsLost = true;
  }

  /** Something was said that did not come here: whoever keeps what was said asks for it anew. */
  miss() {
    this.generation += 1;
    this.wake();
  }

  /** @param {import("./contract.js").SnapshotMessage} snapshot */
  takeSnapshot(snapshot) {
    if (this.stale) {
      this.miss();
      // Either clock may have been set meanwhile.
      this.clock.forget();
    }
    this.clock.take(snapshot.time);
    this.metrics = snapshot.metrics ?? null;
    this.liveFault = snapshot.live ? "" : snapshot.reason || "no reason given";
    this.unevaluated = snapshot.unevaluated ?? "";
    for (const [id, series] of Object.entries(snapshot.layouts)) {
      if (!this.layouts.has(id)) this.layouts.set(id, new Layout(id, series));
    }
    this.forget(new Set(snapshot.machines.map((entry) => entry.machine)));
    for (const entry of snapshot.machines) this.takeMachine(entry);
    this.dropUnusedLayouts(new Set(Object.keys(snapshot.layouts)));
    this.loaded = true;
    this.awaited = false;
    this.pending.link = true;
    this.pending.membership = true;
  }

  /**
   * Mounts, interfaces and containers that come and go make new layouts: now and then old ones are let go of.
   * @param {{id: string, series: import("./contract.js").Series[]}} layout
   */
  takeLayout({ id, series }) {
    this.layouts.set(id, new Layout(id, series));
    if (this.layouts.size <= this.mostLayouts) return;
    this.dropUnusedLayouts(new Set([id]));
    this.mostLayouts = 2 * this.layouts.size + SPARE_LAYOUTS;
  }

  /** @param {Set<string>} used besides those that machines have now */
  dropUnusedLayouts(used) {
    for (const machine of this.machines.values()) if (machine.layout) used.add(machine.layout.id);
    for (const frame of this.frames) used.add(frame.layout);
    for (const id of this.layouts.keys()) if (!used.has(id)) this.layouts.delete(id);
  }

  /** @param {Set<string>} present of those that are followed */
  forget(present) {
    for (const name of this.machines.keys()) {
      if (!present.has(name) && (this.followed?.has(name) ?? true)) this.machines.delete(name);
    }
  }

  /** @param {string} name of a machine that is no more */
  drop(name) {
    if (!this.machines.delete(name)) return;
    if (name === this.watched) this.frames = [];
    this.pending.machines.delete(name);
    this.pending.membership = true;
  }

  /** @param {MachineEntry} entry */
  takeMachine(entry) {
    let machine = this.machines.get(entry.machine);
    if (!machine) {
      machine = new Machine(entry.machine);
      this.machines.set(entry.machine, machine);
      this.pending.membership = true;
    }
    machine.state = entry.state;
    machine.interval = entry.interval_seconds;
    machine.agentVersion = entry.agent_version;
    machine.facts = entry.facts;
    // A gateway of another version may not know them.
    machine.tags = entry.tags ?? [];
    if (entry.time !== null && entry.layout !== null && entry.values !== null) {
      const { time, received, layout, values } = entry;
      this.takeFrame({ machine: entry.machine, time, received, layout, values });
    }
    this.pending.machines.add(entry.machine);
  }

  /**
   * @param {string} name
   * @param {import("./contract.js").MachineState} state
   */
  takeState(name, state) {
    const machine = this.machines.get(name);
    if (!machine) return;
    machine.state = state;
    this.pending.machines.add(name);
  }

  /**
   * The gateway has put frames in order: one with an earlier time than the last comes from a clock that was set back.
   * @param {Frame} frame
   */
  takeFrame(frame) {
    const machine = this.machines.get(frame.machine);
    const layout = this.layouts.get(frame.layout);
    // The same sample can come again with other metrics: after another page, which needs others.
    if (!machine || !layout || (frame.time === machine.time && layout === machine.layout)) return;
    if (machine.time !== null && frame.time < machine.time) this.restart(machine);
    machine.time = frame.time;
    machine.received = frame.received ?? null;
    machine.layout = layout;
    machine.values = frame.values;
    machine.trace(frame.time);
    this.pending.machines.add(frame.machine);
    if (frame.machine === this.watched) this.keepFrame(frame);
    for (const listener of this.frameListeners) listener(frame);
  }

  /** @param {Machine} machine whose clock was set back; its traces begin anew by themselves */
  restart(machine) {
    machine.restarts += 1;
    if (machine.name === this.watched) this.frames = [];
  }

  /** @param {Frame} frame */
  keepFrame(frame) {
    // With all metrics, in place of the same sample with the few that another page needed.
    if (this.frames.at(-1)?.time === frame.time) this.frames.pop();
    this.frames.push(frame);
    // In steps, because shifting one by one moves all of them each time.
    if (this.frames.length > KEPT_FRAMES) this.frames.splice(0, KEPT_FRAMES / 4);
  }

  wake() {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => this.flush());
  }

  flush() {
    this.scheduled = false;
    const change = this.pending;
    this.pending = noChange();
    for (const listener of [...this.changeListeners]) listener(change);
  }
}
