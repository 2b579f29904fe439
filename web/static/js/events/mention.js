// @ts-check
/** A sentence that links to the machine that it is about, and names it once. */

import { DEFAULT_RANGE, format as address } from "../page/address.js";
import { viewLink } from "../page/dom.js";

/**
 * The sentence around the machine's name; an empty `before` and all of it after where it does not name it. A machine
 * "nginx" is not named by "nginx.service has failed".
 * @param {string} message
 * @param {string} machine
 * @returns {[before: string, after: string]}
 */
export function aroundName(message, machine) {
  for (let at = message.indexOf(machine); at >= 0; at = message.indexOf(machine, at + 1)) {
    const [before, after] = [message.slice(0, at), message.slice(at + machine.length)];
    if (!/[\w.-]$/.test(before) && !/^(?:[\w-]|\.\w)/.test(after)) return [before, after];
  }
  return ["", `: ${message}`];
}

/**
 * @param {string} message
 * @param {string} machine
 * @returns {(Node | string)[]}
 */
export function withLink(message, machine) {
  const view = { machine, last: DEFAULT_RANGE };
  const [before, after] = aroundName(message, machine);
  return [before, viewLink(view, address(view), machine), after];
}
