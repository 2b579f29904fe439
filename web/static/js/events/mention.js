// @ts-check
/** A sentence that links to the machine that it is about, and names it once. */

import { linkTo } from "../page/here.js";
import { aroundName } from "./around_name.js";

/**
 * @param {string} message
 * @param {string} machine
 * @returns {(Node | string)[]}
 */
export function withLink(message, machine) {
  const [before, after] = aroundName(message, machine);
  return [before, linkTo({ page: "machine", machine }, machine), after];
}
