// @ts-check
/** Puts the page together: one store, one connection, and whichever view the address names. */

import { parse } from "./page/address.js";
import { Alerts } from "./alerts/alerts.js";
import { Connection } from "./live/connection.js";
import { byId, show } from "./page/dom.js";
import { Events } from "./events/events.js";
import { FleetPage } from "./fleet/fleet.js";
import { MachinePage } from "./machine/machine.js";
import { drawStatus } from "./page/status.js";
import { Store } from "./live/store.js";
import { startTheme } from "./page/theme.js";

/** @typedef {import("./page/address.js").View} View */

/** Events tell of alerts at once; this is for what was missed while the gateway could not say. */
const ALERTS_EVERY_MS = 60_000;

const store = new Store((flush) => requestAnimationFrame(flush));
const socketAddress = new URL("ws", document.baseURI);
socketAddress.protocol = socketAddress.protocol.replace("http", "ws");
const connection = new Connection(socketAddress.href, store);
const alerts = new Alerts(alertsChanged);
const events = new Events(() => store.now(), eventsChanged);
/** @type {FleetPage | MachinePage | null} */
let page = null;
/** @type {View} */
let view = parse(location.search);
let generation = 0;

function alertsChanged() {
  alerts.draw(view.machine, store.now());
  if (page instanceof FleetPage) page.alertsChanged();
}

function eventsChanged() {
  if (page instanceof MachinePage) page.drawCharts(true);
}

/** Draw what the address names. */
function showView() {
  const wanted = parse(location.search);
  if (page instanceof MachinePage && wanted.machine === page.name) {
    view = wanted;
    page.setRange(wanted);
    return;
  }
  view = wanted;
  page?.destroy();
  document.title = view.machine === null ? "sysmonstm" : `${view.machine} · sysmonstm`;
  show(byId("fleet"), view.machine === null);
  show(byId("machine"), view.machine !== null);
  store.watch(view.machine);
  connection.subscribe(view.machine === null ? null : [view.machine]);
  page = makePage(view);
  alerts.draw(view.machine, store.now());
}

/** @param {View} wanted */
function makePage(wanted) {
  if (wanted.machine === null) return new FleetPage(store, alerts, events, wanted);
  return new MachinePage(store, events, { ...wanted, machine: wanted.machine });
}

/** @param {MouseEvent} click */
function follow(click) {
  const link = click.target instanceof Element ? click.target.closest("a[data-view]") : null;
  const plain = click.button === 0 && !click.metaKey && !click.ctrlKey && !click.shiftKey && !click.altKey;
  if (!(link instanceof HTMLAnchorElement) || !plain) return;
  click.preventDefault();
  const elsewhere = parse(new URL(link.href).search).machine !== view.machine;
  history.pushState(null, "", link.href);
  showView();
  if (!elsewhere) return;
  scrollTo(0, 0);
  byId("content").focus({ preventScroll: true });
}

store.onChange((change) => {
  if (store.generation !== generation) {
    generation = store.generation;
    void alerts.refresh();
    page?.askForEvents();
  } else if (change.eventsLost) page?.askForEvents();
  if (change.link) drawStatus(store);
  if (change.events.length) events.add(change.events);
  if (change.events.some((event) => event.kind.startsWith("alert."))) void alerts.refresh();
  page?.change(change);
});

startTheme(byId("theme"));
document.addEventListener("click", follow);
addEventListener("popstate", showView);
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
