// @ts-check
/** Which probes of a machine work, and how long each takes. */

import { element, setAttribute, setText } from "../page/dom.js";
import { instances } from "../live/figures.js";
import { format } from "../page/units.js";

/** @typedef {import("../live/machine_state.js").Machine} Machine */

export class ProbeHealth {
  /** @param {HTMLElement} list a <ul> */
  constructor(list) {
    this.list = list;
    /** @type {Map<string, {item: HTMLElement, verdict: HTMLElement, time: HTMLElement}>} */
    this.items = new Map();
  }

  /** @param {Machine} machine */
  update(machine) {
    const success = instances(machine, "probe.success");
    const durations = new Map(instances(machine, "probe.duration"));
    const names = new Set(success.map(([name]) => name));
    for (const [name, { item }] of this.items) {
      if (names.has(name)) continue;
      item.remove();
      this.items.delete(name);
    }
    for (const [name, value] of success) {
      const { item, verdict, time } = this.items.get(name) ?? this.add(name);
      setAttribute(item, "data-verdict", value === null ? "unknown" : value ? "ok" : "failed");
      setText(verdict, value === null ? "not known" : value ? "works" : "failed");
      setText(time, format(durations.get(name), "seconds"));
    }
  }

  /** @param {string} name */
  add(name) {
    const verdict = element("span", { class: "verdict" });
    const time = element("b", {});
    const item = element("li", {}, element("span", { class: "probe-name" }, name), verdict, time);
    this.list.append(item);
    const made = { item, verdict, time };
    this.items.set(name, made);
    return made;
  }
}
