// @ts-check
/** Has charts drawn by turns, few at a time, so that what people do comes in between. */

/** What can be drawn; it draws what there is when its turn comes, however often it was asked for. @typedef {{drawNow: () => void}} Drawable */

/** After so long others than charts have their turn, in milliseconds: half a frame. */
const PATIENCE_MS = 8;

/** In the order in which they were asked for. @type {Set<Drawable>} */
const waiting = new Set();
const turns = new MessageChannel();
turns.port1.addEventListener("message", () => void takeTurns());
turns.port1.start();
let underWay = false;

/** @param {Drawable} chart */
export function drawInTurn(chart) {
  waiting.add(chart);
  begin();
}

/** It is there no more. @param {Drawable} chart */
export function dropTurn(chart) {
  waiting.delete(chart);
}

function begin() {
  if (underWay || !waiting.size) return;
  underWay = true;
  turns.port2.postMessage(null);
}

async function takeTurns() {
  const until = performance.now() + PATIENCE_MS;
  try {
    for (const next of waiting) {
      waiting.delete(next);
      next.drawNow();
      // uPlot draws when all that was asked of it is known, which is now.
      await undefined;
      if (performance.now() > until) break;
    }
  } finally {
    // Whatever one comes to, the others have their turn.
    underWay = false;
    begin();
  }
}
