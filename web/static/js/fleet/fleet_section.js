// @ts-check
/** Rows below one heading, or all of them without one, in pieces: the browser leaves out those that are far from being seen. */

import { element, setAttribute, setText } from "../page/dom.js";
import { place } from "../page/place.js";
import { counted } from "../page/units.js";
import { COLUMNS } from "./columns.js";
import { seenOf } from "./windows.js";

/** @typedef {import("./fleet_row.js").FleetRow} FleetRow */

/** Rows of a piece: whole lines, of up to six tiles each. */
const PIECE = 60;

export class FleetSection {
  /** @param {boolean} headed */
  constructor(headed) {
    /** @type {FleetRow[]} */
    this.rows = [];
    this.across = 1;
    /** @type {HTMLElement[]} */
    this.pieces = [];
    this.title = element("span", { role: "rowheader", "aria-colspan": String(COLUMNS.length - 1) });
    this.count = element("span", { role: "cell", class: "hint" });
    this.head = headed ? [element("div", { role: "row", class: "group-head" }, this.title, this.count)] : [];
    this.element = element("div", { role: "rowgroup", class: "fleet-group" });
  }

  /**
   * @param {string} tag "" for those without
   * @param {FleetRow[]} rows
   * @param {number} across how many stand beside each other
   * @param {number} index of its first row among all of the table
   * @returns {number} of the first row behind it
   */
  show(tag, rows, across, index) {
    this.rows = rows;
    for (const head of this.head) setAttribute(head, "aria-rowindex", String(index));
    rows.forEach((row, at) => row.number(index + this.head.length + at));
    setText(this.title, tag || "Others");
    setText(this.count, counted(rows.length, "machine"));
    const number = Math.ceil(rows.length / PIECE);
    while (this.pieces.length < number) this.pieces.push(element("div", { role: "presentation", class: "piece" }));
    this.pieces.length = number;
    place(this.element, [...this.head, ...this.pieces]);
    this.pieces.forEach((piece, at) => place(piece, this.part(at).map((row) => row.element)));
    this.layOut(across);
    return index + this.head.length + rows.length;
  }

  /** A piece is as high as it would be, also while it is left out. @param {number} across */
  layOut(across) {
    this.across = across;
    this.pieces.forEach((piece, at) => piece.style.setProperty("--lines", String(this.lines(this.part(at).length))));
  }

  /** @param {number} at */
  part(at) {
    return this.rows.slice(at * PIECE, (at + 1) * PIECE);
  }

  /** @param {number} rows */
  lines(rows) {
    return Math.ceil(rows / this.across);
  }

  /**
   * The rows between two heights of the screen.
   * @param {number} from in pixels
   * @param {number} to
   * @returns {FleetRow[]}
   */
  seen(from, to) {
    return this.pieces.flatMap((piece, at) => {
      const { top, bottom } = piece.getBoundingClientRect();
      if (bottom < from || top > to || top === bottom) return [];
      const rows = this.part(at);
      const pitch = (bottom - top) / this.lines(rows.length);
      return rows.slice(...seenOf({ count: rows.length, across: this.across, top, pitch }, from, to));
    });
  }
}
