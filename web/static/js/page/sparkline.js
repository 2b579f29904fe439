// @ts-check
/** A small line without axes: the last samples of one number. Drawn as SVG, which takes its size and colour from the style sheet. */

/** @typedef {import("../live/ring.js").Ring} Ring */

const SVG = "http://www.w3.org/2000/svg";
/** Further apart two samples are not joined. From the middle of history's last bucket, two intervals wide, to now it can be three. */
const GAP_INTERVALS = 3.2;
/** The drawing's own measures; it is stretched to its place. */
const WIDTH = 100;
const HEIGHT = 24;
/** Half of the line lies above its value. */
const EDGE = 1;

export class Sparkline {
  constructor() {
    this.area = document.createElementNS(SVG, "path");
    this.line = document.createElementNS(SVG, "path");
    this.element = document.createElementNS(SVG, "svg");
    for (const [name, value] of [["class", "spark"], ["aria-hidden", "true"], ["preserveAspectRatio", "none"], ["viewBox", `0 0 ${WIDTH} ${HEIGHT}`]]) {
      this.element.setAttribute(name, value);
    }
    this.area.setAttribute("class", "area");
    this.line.setAttribute("class", "line");
    this.element.append(this.area, this.line);
  }

  /**
   * @param {Ring} trace
   * @param {number} seconds how far back it shows
   * @param {number} interval seconds between samples
   * @param {number} top the value at the upper edge; the trace's own largest where that is more
   */
  draw(trace, seconds, interval, top) {
    const { line, area } = pathsOf(trace, seconds, interval, top);
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }
}

/**
 * The line and what lies below it, as SVG writes paths.
 * @param {Ring} trace
 * @param {number} seconds
 * @param {number} interval
 * @param {number} top
 */
export function pathsOf(trace, seconds, interval, top) {
  let [line, area] = ["", ""];
  if (!trace.length) return { line, area };
  const newest = trace.time(trace.length - 1);
  let most = top;
  for (let at = 0; at < trace.length; at += 1) most = Math.max(most, trace.value(at) || 0);
  /** @param {number} at */
  const x = (at) => (WIDTH * (1 - (newest - trace.time(at)) / seconds)).toFixed(1);
  /** @param {number} at */
  const y = (at) => (HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (trace.value(at) / most)).toFixed(1);
  for (const [first, last] of runs(trace, interval * GAP_INTERVALS)) {
    const points = [];
    for (let at = first; at <= last; at += 1) points.push(`${x(at)} ${y(at)}`);
    const run = points.join("L");
    // A lone sample is a dot: a line without a length that has round ends.
    line += `M${run}${first === last ? "h0" : ""}`;
    area += `M${x(first)} ${HEIGHT}L${run}L${x(last)} ${HEIGHT}Z`;
  }
  return { line, area };
}

/**
 * The stretches without a gap, as pairs of first and last.
 * @param {Ring} trace
 * @param {number} gapAfter seconds
 * @returns {[number, number][]}
 */
export function runs(trace, gapAfter) {
  /** @type {[number, number][]} */
  const found = [];
  let first = -1;
  for (let at = 0; at < trace.length; at += 1) {
    const read = !Number.isNaN(trace.value(at));
    const far = at > 0 && trace.time(at) - trace.time(at - 1) > gapAfter;
    if (first >= 0 && (!read || far)) {
      found.push([first, at - 1]);
      first = -1;
    }
    if (read && first < 0) first = at;
  }
  if (first >= 0) found.push([first, trace.length - 1]);
  return found;
}
