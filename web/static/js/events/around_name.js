// @ts-check
/** Finds in a sentence the name of the machine that it is about. Pure. */

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
