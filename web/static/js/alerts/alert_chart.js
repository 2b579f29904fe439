// @ts-check
/** The chart of one alert: its metric, the threshold as a line across, and where the condition began to hold. */

import { Chart } from "../chart/chart.js";
import { withThreshold } from "../chart/value_range.js";
import { palette } from "../page/palette.js";

/** @typedef {import("uplot")} Plot */
/** @typedef {import("../live/contract.js").Alert} Alert */

const LABEL_FONT = "600 10px system-ui, sans-serif";

export class AlertChart extends Chart {
  /**
   * @param {Alert} alert
   * @param {string} unit of the metric
   * @param {import("../chart/chart.js").ChartPage} page
   */
  constructor(alert, unit, page) {
    const title = alert.instance ? `${alert.metric} of ${alert.instance}` : alert.metric;
    super({ id: "alert", title, form: "lines", metrics: [[alert.metric, ""]] }, unit, "", page);
    this.alert = alert;
    // One line, which the sentence beside it names.
    this.legend.element.remove();
  }

  /**
   * @override
   * @param {{width: number, height: number}} size in pixels
   * @returns {import("uplot").Options}
   */
  options(size) {
    const options = super.options(size);
    const { x, y } = /** @type {{x: import("uplot").Scale, y: import("uplot").Scale}} */ (options.scales);
    const usual = /** @type {import("uplot").Range.Function} */ (y.range);
    options.scales = { x, y: { ...y, range: (...told) => this.withThreshold(...usual(...told)) } };
    return options;
  }

  /**
   * The threshold is always in sight.
   * @param {number | null} least
   * @param {number | null} most
   * @returns {[number, number]}
   */
  withThreshold(least, most) {
    const { threshold } = this.alert;
    return threshold === null ? [least ?? 0, most ?? 0] : withThreshold([least ?? 0, most ?? 0], threshold, this.unit);
  }

  /**
   * @override
   * @param {Plot} plot
   */
  drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
    ctx.clip();
    ctx.font = LABEL_FONT.replace("10px", `${10 * devicePixelRatio}px`);
    this.drawThreshold(plot);
    this.drawSince(plot);
    ctx.restore();
  }

  colour() {
    const { marks } = palette();
    return this.alert.severity === "critical" || this.alert.severity === "warning" ? marks[this.alert.severity] : marks.info;
  }

  /** @param {Plot} plot */
  drawThreshold(plot) {
    if (this.alert.threshold === null) return;
    const y = Math.round(plot.valToPos(this.alert.threshold, "y", true)) + 0.5;
    stroke(plot.ctx, this.colour(), [5, 3], plot.bbox.left, y, plot.bbox.left + plot.bbox.width, y);
  }

  /** A line where it began; nothing where that lies outside of the time that is shown. @param {Plot} plot */
  drawSince(plot) {
    const [from, to] = this.span();
    if (this.alert.since < from || this.alert.since > to) return;
    const { ctx, bbox } = plot;
    const x = Math.round(plot.valToPos(this.alert.since, "x", true)) + 0.5;
    stroke(ctx, this.colour(), [], x, bbox.top - 4 * devicePixelRatio, x, bbox.top + bbox.height);
    ctx.fillStyle = this.colour();
    ctx.textBaseline = "middle";
    const beyond = x > bbox.left + bbox.width * 0.8;
    ctx.textAlign = beyond ? "right" : "left";
    ctx.fillText("since", x + (beyond ? -4 : 4) * devicePixelRatio, bbox.top - 7 * devicePixelRatio);
  }

  /** The note at the cursor would say what the list says. @override */
  followCursor() {
    this.updateLegend();
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} colour
 * @param {number[]} dash in CSS pixels
 * @param {number} x
 * @param {number} y
 * @param {number} toX
 * @param {number} toY
 */
function stroke(ctx, colour, dash, x, y, toX, toY) {
  ctx.beginPath();
  ctx.setLineDash(dash.map((one) => one * devicePixelRatio));
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.strokeStyle = colour;
  ctx.moveTo(x, y);
  ctx.lineTo(toX, toY);
  ctx.stroke();
  ctx.setLineDash([]);
}
