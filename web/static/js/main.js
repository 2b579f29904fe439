// @ts-check
/** Puts the page together: one store, one connection, and whichever page the address names. */

import { Alerts } from "./alerts/alerts.js";
import { AlertsPage } from "./alerts/alerts_page.js";
import { ComparePage } from "./compare/compare.js";
import { Events } from "./events/events.js";
import { FleetPage } from "./fleet/fleet.js";
import { Connection } from "./live/connection.js";
import { Store } from "./live/store.js";
import { Thresholds } from "./live/thresholds.js";
import { MachinePage } from "./machine/machine.js";
import { byId, show } from "./page/dom.js";
import { follow, here } from "./page/here.js";
import { startKeyList } from "./page/key_list.js";
import { drawNavigation } from "./page/navigation.js";
import { startSettings } from "./page/settings.js";
import { drawStatus } from "./page/status.js";
import { followSystem } from "./page/theme.js";
import { writeInUtc } from "./time/moments.js";
import { TimeBar } from "./time/time_bar.js";

/** @typedef {import("./page/address.js").PageName} PageName */

/** Events tell of alerts at once; this is for what was missed while the gateway could not say. */
const ALERTS_EVERY_MS = 60_000;
/** @type {PageName[]} */
const TIMELESS = ["fleet"];

const store = new Store((flush) => requestAnimationFrame(flush));
const socketAddress = new URL("ws", document.baseURI);
socketAddress.protocol = socketAddress.protocol.replace("http", "ws");
const connection = new Connection(socketAddress.href, store);
const alerts = new Alerts(alertsChanged);
const events = new Events(() => store.now(), () => page?.eventsChanged());
const thresholds = new Thresholds(() => page?.thresholdsChanged());
const parts = { store, alerts, events, thresholds };
const timeBar = new TimeBar(byId("time-bar"), () => store.now());
/** @type {import("./page/page.js").Page | null} */
let page = null;
let generation = 0;

function alertsChanged() {
  drawAlerts();
  page?.alertsChanged();
  heedPage();
}

/** The strip of alerts where machines are looked at; elsewhere their number is enough, which stands on top. */
function drawAlerts() {
  const view = here();
  show(byId("alerts-strip"), view.page === "fleet" || view.page === "machine");
  alerts.draw(view.page === "machine" ? view.machine : null, store.now());
  drawNavigation(view, alerts.firing);
}

/** @param {import("./page/address.js").View} [before] */
function showView(before) {
  const view = here();
  writeInUtc(view.time.utc);
  if (before && before.time.utc !== view.time.utc) events.rewrite();
  timeBar.show(view.time);
  const same = before !== undefined && page !== null && page.show(view);
  if (!same) makePage(before !== undefined);
  heedPage();
  drawAlerts();
}

/** What the page is called and needs live, which can change while it stays. */
function heedPage() {
  if (!page) return;
  document.title = page.title ? `${page.title} · sysmonstm` : "sysmonstm";
  store.watch(page.watched, page.subscription.machines);
  connection.subscribe(page.subscription);
}

/** @param {boolean} arrived whether the user came here by a link, and starts at the top */
function makePage(arrived) {
  const view = here();
  page?.destroy();
  for (const part of document.querySelectorAll("main > [data-page]")) {
    if (part instanceof HTMLElement) show(part, part.dataset.page === view.page);
  }
  show(byId("events"), view.page === "fleet" || view.page === "machine");
  show(timeBar.element, !TIMELESS.includes(view.page));
  page = pageOf(view.page);
  if (!arrived) return;
  scrollTo(0, 0);
  byId("content").focus({ preventScroll: true });
}

/** @param {PageName} name */
function pageOf(name) {
  if (name === "machine") return new MachinePage(parts, here());
  if (name === "compare") return new ComparePage(parts, here());
  if (name === "alerts") return new AlertsPage(parts, here());
  return new FleetPage(parts, here());
}

store.onChange((change) => {
  if (store.generation !== generation) {
    generation = store.generation;
    void alerts.refresh();
    void thresholds.refresh();
    page?.askForEvents();
  } else if (change.eventsLost) page?.askForEvents();
  if (change.link) {
    drawStatus(store);
    alerts.hear(store.unevaluated);
    // Who was away may be back.
    if (!store.unevaluated) thresholds.retry();
  }
  if (change.events.length) events.add(change.events);
  if (change.events.some((event) => event.kind.startsWith("alert."))) void alerts.refresh();
  if (change.rules) void thresholds.refresh();
  page?.change(change);
});

followSystem();
startSettings();
startKeyList();
follow(showView);
setInterval(() => void alerts.refresh(), ALERTS_EVERY_MS);
setInterval(() => {
  if (document.hidden) return;
  drawStatus(store);
  page?.tick();
  alerts.tick(store.now());
}, 1000);
drawStatus(store);
showView();
connection.open();
