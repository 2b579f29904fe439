// @ts-check
/** Says whether what is shown is live, and if not, why and what happens next. */

import { byId, setAttribute, setText, show } from "./dom.js";

/** @typedef {import("../live/store.js").Store} Store */

/**
 * @param {Store} store
 * @returns {{quality: "live" | "connecting" | "disconnected" | "unavailable", short: string, long: string}}
 */
export function linkStatus(store) {
  if (store.link.state === "closed") {
    return { quality: "disconnected", short: "disconnected", long: "disconnected, retrying" };
  }
  if (store.link.state === "quiet") {
    return { quality: "unavailable", short: "not live", long: "nothing comes from the gateway at the moment; waiting for it" };
  }
  if (store.link.state === "connecting" || !store.loaded) {
    return { quality: "connecting", short: "connecting", long: "" };
  }
  if (store.liveFault) {
    return { quality: "unavailable", short: "not live", long: `live data unavailable: ${store.liveFault}` };
  }
  const long = store.refusal && `live, with more than this page needs, because the gateway says: ${store.refusal}. Trying again`;
  return { quality: "live", short: "live", long };
}

/** @param {Store} store */
export function drawStatus(store) {
  const { quality, short, long } = linkStatus(store);
  setAttribute(document.documentElement, "data-link", quality);
  setText(byId("link-text"), short);
  show(byId("link-banner"), long !== "");
  setText(byId("link-reason"), long);
  setText(byId("link-countdown"), countdown(store));
  show(byId("alerting-banner"), store.unevaluated !== "");
  setText(byId("alerting-reason"), `Alerts are not evaluated: ${store.unevaluated}`);
}

/** @param {Store} store */
function countdown(store) {
  const { state, attempt, retryAt } = store.link;
  if (state !== "closed") return "";
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  return seconds > 0 ? `attempt ${attempt} in ${seconds} s` : `attempt ${attempt} now`;
}
