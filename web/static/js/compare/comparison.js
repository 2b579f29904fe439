// @ts-check
/**
 * The numbers of what is compared: asks for the history of all chosen machines, some at a time, and follows what comes
 * live. It draws nothing.
 */

import { UnknownMetric, fetchFleetHistory } from "../chart/fleet_history.js";
import { HistoryError } from "../chart/history.js";
import { WORTH_SAYING_MS } from "../chart/loading.js";
import { seriesCount } from "./chosen.js";
import { batches, sharedPoints } from "./questions.js";
import { FleetTimeline, fleetKey } from "./fleet_timeline.js";

/** @typedef {import("../live/store.js").Store} Store */
/** @typedef {import("../live/contract.js").Frame} Frame */
/** @typedef {import("../live/machine_state.js").Machine} Machine */

/** More series than these are neither ranked nor drawn: somebody would have to hold and to read them. */
export const MOST_SERIES = 2000;
/** With so many series each has fewer buckets. */
const MANY_SERIES = 100;
const POINTS = 400;
const POINTS_OF_MANY = 160;
/** A sample that lies further ahead of the hub's clock, in seconds, is of a machine whose clock is off. */
const AHEAD = 60;

/**
 * How far it is: `asked` of `questions` are answered; "away" means that what was not answered is only live; "unknown"
 * that no machine ever had the metric.
 * @typedef {{state: "waiting" | "loading" | "filled" | "away" | "refused" | "unknown", message: string, asked: number,
 *   questions: number}} Progress
 */

export class Comparison {
  /**
   * @param {Store} store
   * @param {import("../time/range.js").Range} range
   * @param {string} metric
   * @param {string} instance "" is each of them
   * @param {() => void} onChange called when more is known than before
   */
  constructor(store, range, metric, instance, onChange) {
    this.store = store;
    this.range = range;
    this.metric = metric;
    this.instance = instance;
    this.onChange = onChange;
    /** @type {Machine[]} */
    this.machines = [];
    /** @type {Set<Machine>} */
    this.compared = new Set();
    /** Whether what is drawn is of another choice. */
    this.fresh = true;
    /** Those whose history is here, or will not come: their live samples can be added. @type {Set<string>} */
    this.ready = new Set();
    /** Live samples of machines whose history is asked for. @type {[key: string, time: number, value: number | null][]} */
    this.kept = [];
    /** How many machines are left out because there are too many series. */
    this.leftOut = 0;
    /** Machines whose numbers are in another unit. @type {{machine: string, unit: string}[]} */
    this.otherUnits = [];
    this.unit = "";
    this.timeline = new FleetTimeline(5, 10);
    /** Counts what has changed. */
    this.version = 0;
    /** @type {Progress} */
    this.progress = { state: "waiting", message: "", asked: 0, questions: 0 };
    this.loading = new AbortController();
    this.retryTimer = 0;
    /** Whether an answer has been awaited for long enough to say so. */
    this.slow = false;
    this.slowTimer = 0;
  }

  /**
   * Compare these from now on.
   * @param {Machine[]} machines
   */
  choose(machines) {
    /** @type {Machine[]} */
    const taken = [];
    let series = 0;
    for (const machine of machines) {
      series += seriesCount(machine, this.metric, this.instance);
      if (series > MOST_SERIES && taken.length) break;
      taken.push(machine);
    }
    this.leftOut = machines.length - taken.length;
    this.machines = taken;
    this.compared = new Set(taken);
    this.fresh = true;
    void this.load();
  }

  /** What is shown may have holes, or another range is wanted: ask history again. */
  reload() {
    void this.load();
  }

  /** The longest interval at which one of them takes samples, in seconds. */
  interval() {
    return this.machines.reduce((longest, { interval }) => Math.max(longest, interval), 0.1);
  }

  points() {
    const series = this.machines.reduce((sum, one) => sum + seriesCount(one, this.metric, this.instance), 0);
    return sharedPoints(series > MANY_SERIES ? POINTS_OF_MANY : POINTS, this.range.length, this.interval());
  }

  async load() {
    this.loading.abort();
    clearTimeout(this.retryTimer);
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.ready.clear();
    this.kept = [];
    this.timeline.interrupt();
    this.await();
    if (this.fresh) this.timeline = this.emptyTimeline();
    this.fresh = false;
    if (!this.machines.length) return this.tell("filled", "", 0, 0);
    try {
      await this.ask(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof HistoryError)) throw error;
      this.failed(error);
    }
  }

  /** Say that it takes long, if it does. */
  await() {
    this.slow = false;
    clearTimeout(this.slowTimer);
    this.slowTimer = setTimeout(() => {
      this.slow = true;
      this.changed();
    }, WORTH_SAYING_MS);
  }

  emptyTimeline() {
    const interval = this.interval();
    return new FleetTimeline(interval, Math.max(2 * interval, this.range.length / this.points()));
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const [from, to] = this.range.span();
    const points = this.points();
    const known = this.machines.map((one) => ({
      name: one.name,
      series: seriesCount(one, this.metric, this.instance),
    }));
    const questions = batches(known, points);
    const timeline = this.emptyTimeline();
    this.otherUnits = [];
    this.tell("loading", "", 0, questions.length);
    for (const [at, machines] of questions.entries()) {
      const { metric, instance } = this;
      const history = await fetchFleetHistory({ metric, machines, instance, from, to, points }, signal);
      timeline.take(history);
      if (this.range.follows) timeline.follow();
      this.timeline = timeline;
      this.unit ||= history.unit;
      this.otherUnits.push(...(history.left_out ?? []));
      this.goOn(machines, history.to);
      const done = at + 1 === questions.length;
      this.tell(done ? "filled" : "loading", "", at + 1, questions.length);
      // What people do comes in between.
      await new Promise((resolve) => setTimeout(resolve));
      signal.throwIfAborted();
    }
  }

  /**
   * The history of these is here, or does not come: what came live after it is added, and what will.
   * @param {string[]} names
   * @param {number} after seconds since 1970
   */
  goOn(names, after) {
    for (const name of names) this.ready.add(name);
    const kept = this.kept;
    this.kept = [];
    for (const one of kept) {
      const [machine] = one[0].split(" ", 1);
      if (!this.ready.has(machine)) this.kept.push(one);
      else if (one[1] > after) this.timeline.addSample(...one);
    }
  }

  /** @param {HistoryError} error */
  failed(error) {
    const { asked, questions } = this.progress;
    this.goOn(
      this.machines.map((one) => one.name),
      -Infinity,
    );
    if (this.range.live) this.addNewest();
    if (error instanceof UnknownMetric) return this.tell("unknown", "", asked, questions);
    this.tell(error.again === null ? "refused" : "away", error.message, asked, questions);
    if (error.again !== null) this.retryTimer = setTimeout(() => void this.load(), error.again);
  }

  /** What each said last is there at once. */
  addNewest() {
    const drawn = new Set([...this.timeline.columns.keys()].map((key) => key.split(" ", 1)[0]));
    for (const machine of this.machines) {
      const { name, time, values, layout } = machine;
      if (time !== null && values && layout && !drawn.has(name)) this.takeValues(machine, time, values, layout);
    }
  }

  /**
   * @param {Progress["state"]} state
   * @param {string} message
   * @param {number} asked
   * @param {number} questions
   */
  tell(state, message, asked, questions) {
    this.progress = { state, message, asked, questions };
    if (state !== "loading") clearTimeout(this.slowTimer);
    this.changed();
  }

  changed() {
    this.version += 1;
    this.onChange();
  }

  /** @param {Frame} frame */
  take(frame) {
    const machine = this.store.machines.get(frame.machine);
    if (!machine || !this.compared.has(machine)) return;
    if (!this.range.follows) return;
    this.takeValues(machine, frame.time, frame.values, this.store.layouts.get(frame.layout));
    this.version += 1;
  }

  /**
   * @param {Machine} machine
   * @param {number} time
   * @param {(number | null)[]} values
   * @param {import("../live/layout.js").Layout | undefined} layout
   */
  takeValues(machine, time, values, layout) {
    if (time > this.store.now() + AHEAD) return;
    for (const position of layout?.positions.get(this.metric) ?? []) {
      const one = layout?.series[position];
      if (!one || (this.instance && one.instance !== this.instance) || (this.unit && one.unit !== this.unit)) continue;
      const key = fleetKey(machine.name, one.instance);
      if (this.ready.has(machine.name)) this.timeline.addSample(key, time, values[position]);
      else this.kept.push([key, time, values[position]]);
      this.unit ||= one.unit;
    }
  }

  destroy() {
    this.loading.abort();
    clearTimeout(this.retryTimer);
    clearTimeout(this.slowTimer);
  }
}
