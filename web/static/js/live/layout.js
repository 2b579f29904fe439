// @ts-check
/** What the numbers of a frame mean. */

/** @typedef {import("./contract.js").Series} Series */

/** The order of a frame's values, with the positions of each metric. */
export class Layout {
  /**
   * @param {string} id
   * @param {Series[]} series
   */
  constructor(id, series) {
    this.id = id;
    this.series = series;
    /** @type {Map<string, number[]>} */
    this.positions = new Map();
    series.forEach((one, position) => {
      const known = this.positions.get(one.metric);
      if (known) known.push(position);
      else this.positions.set(one.metric, [position]);
    });
  }
}
