"""What the dashboard costs a browser with a live fleet, and how soon the first row and the first chart are there."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from sysmonstm.aggregatord.migrate import migrate
from tests.bench.bench_websocket import live_fleet, wait_for_fleet
from tests.bench.hub import GATEWAY, Hub, daemon, running
from tests.bench.live_fleet import LAYOUTS, NAME, layout_of
from tests.gatewayd.fleet_publisher import HistoryWriter
from tests.web.conftest import ARGUMENTS, CHROMIUM, MISSING

URL = f"http://{GATEWAY}"
LOADS = 5
# What charts and sparklines are filled from, in seconds: of the first machine every sample, of the others some.
HISTORY, INTERVAL, SPARSE_INTERVAL = 900, 5, 30
# And of the first, for long ranges, a row of each of these tables for every bucket of so many seconds, for so long.
DAY = 86_400
TIERS = (("hours", 3600, 365 * DAY), ("minutes", 60, 30 * DAY))
ROLLED_UP = """
INSERT INTO {table} (time, machine, stream, layout, samples, low, mean, high)
    SELECT at, %(machine)s, 1, %(layout)s, %(samples)s, numbers, numbers, numbers
    FROM tiers, generate_series(done - %(span)s, done - step, step) AS at,
        LATERAL (SELECT array_agg((random() * 100)::real) AS numbers
                 FROM generate_series(1, %(values)s) WHERE at < done) AS others_each_time
    WHERE step = %(step)s
"""
# How far apart the page's memory is looked at.
MEMORY_SECONDS = 60.0
SETTLE_SECONDS = 5.0
SCROLL_SECONDS, SCROLL_STEP = 5, 60
# Of the browser's metrics those that add up to what keeps its main thread busy, the last being all of it.
SPENT = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")

# Notes when something is there first, in milliseconds since the navigation began.
WATCH = """
(() => {
    const look = () => {
        if (document.querySelector(SELECTOR)) window.firstSeen = performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()
"""
ROW = ".fleet-row .cell-cpu .meter"
# Its history has come, and it has been drawn.
CHART = "[data-chart=cpu][data-newest]:has(canvas) .chart-message[data-state=filled]"

# Scrolls with every frame; the times between frames, in milliseconds, in order of their size.
SCROLL = """
async ([seconds, step]) => {
    const gaps = [];
    const end = performance.now() + seconds * 1000;
    let before = 0, down = 0;
    await new Promise((done) => {
        const next = (now) => {
            if (before) gaps.push(now - before);
            before = now;
            down += step;
            scrollTo(0, down % (document.documentElement.scrollHeight - innerHeight));
            if (now < end) requestAnimationFrame(next);
            else done();
        };
        requestAnimationFrame(next);
    });
    return gaps.sort((a, b) => a - b);
}
"""

# Collects what keeps the page from answering for more than 50 ms, in milliseconds.
LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });
"""
RANGES = ("1y", "5m", "30d", "24h", "1y", "15m")
RANGE_SECONDS = 2.0


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=INTERVAL)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        print(f"the dashboard is not measured: {MISSING}")
        return
    fleet = f"{arguments.machines} machines of {arguments.values} values every {arguments.interval:g} s"
    print(f"the dashboard in Chromium, {fleet}:", flush=True)
    with running() as hub:
        asyncio.run(write_history(hub, arguments.machines, arguments.values))
        with everything(hub, arguments) as browser:
            first_sights(browser)
            travelled(browser)
            watched(browser, "the list of machines", "/", arguments.seconds)
            watched(browser, "the same, sorted by CPU", "/?sort=cpu&order=down", min(20, arguments.seconds))


async def write_history(hub: Hub, machines: int, values: int) -> None:
    """What the fleet has sent before."""
    url = hub.environment["TIMESCALE_URL"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
    writer = HistoryWriter(url)
    layouts = [layout_of(values, 4 + number) for number in range(LAYOUTS)]
    known, now = [writer.layout(one) for one in layouts], time.time()
    rows = []
    for number in range(machines):
        machine, layout = writer.machine(NAME.format(number), INTERVAL), number % LAYOUTS
        ages = range(HISTORY, 0, -(SPARSE_INTERVAL if number else INTERVAL))
        rows += [(machine, known[layout], now - age, [age % 97.0] * len(layouts[layout].series)) for age in ages]
    writer.frames(rows)
    for table, step, span in TIERS:
        writer.connection.execute(
            ROLLED_UP.format(table=table).encode(),
            {
                "machine": rows[0][0],
                "layout": rows[0][1],
                "samples": step // INTERVAL,
                "values": len(layouts[0].series),
                "step": timedelta(seconds=step),
                "span": timedelta(seconds=span),
            },
        )
    writer.close()


@contextmanager
def everything(hub: Hub, arguments: argparse.Namespace) -> Iterator[Browser]:
    """A fleet, the gateway that shows it, and a browser. An aggregatord must be heard, or nothing is live."""
    with ExitStack() as stack:
        for name in ("aggregatord", "gatewayd"):
            stack.enter_context(daemon(name, hub.environment))
        stack.enter_context(live_fleet(hub, arguments))
        wait_for_fleet(arguments.machines)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        stack.callback(browser.close)
        yield browser


def first_sights(browser: Browser) -> None:
    """How long after the navigation began there is something to see, each time in a browser that knows nothing yet."""
    for what, path, selector in (("row", "/", ROW), ("chart, with history,", f"/?machine={NAME.format(0)}", CHART)):
        taken = sorted(first_sight(browser, path, selector) for _ in range(LOADS))
        print(
            f"  first {what} after {taken[LOADS // 2]:.0f} ms (median of {LOADS}), {taken[-1]:.0f} ms at worst",
            flush=True,
        )


def first_sight(browser: Browser, path: str, selector: str) -> float:
    """Milliseconds from the start of a navigation to the frame in which something is there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(f"const SELECTOR = {selector!r};{WATCH}")
    page.goto(URL + path)
    taken = float(page.wait_for_function("() => window.firstSeen").json_value())
    context.close()
    return taken


def travelled(browser: Browser) -> None:
    """Go from what is live to a year back and forth: how long the page does not answer."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{URL}/?machine={NAME.format(0)}&last=15m")
    page.wait_for_selector(CHART, state="attached")
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    page.evaluate(f"() => {{{LONG_TASKS}}}")
    for name in RANGES:
        page.locator("#ranges").get_by_role("link", name=name, exact=True).click()
        page.wait_for_timeout(RANGE_SECONDS * 1000)
    tasks = page.evaluate("() => window.longTasks")
    told = f"{len(tasks)} tasks longer than 50 ms" + (f", {max(tasks):.0f} ms at worst" if tasks else "")
    print(f"  from live to a year and back, {len(RANGES)} ranges: {told}", flush=True)
    context.close()


def watched(browser: Browser, what: str, path: str, seconds: float) -> None:
    """Leave a page open, then scroll through it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(URL + path)
    page.wait_for_selector(ROW)
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    session = context.new_cdp_session(page)
    # Time of the processor, not of the clock: others work on this machine too.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    began, seen = time.monotonic(), [metrics(session)]
    while (left := began + seconds - time.monotonic()) > 0:
        page.wait_for_timeout(min(left, MEMORY_SECONDS) * 1000)
        seen.append(metrics(session))
    spent = shares(seen[0], seen[-1], (time.monotonic() - began) / 1000)
    print(f"  {what}, over {seconds:g} s: {spent} ms a second of script, layout, style, all tasks;")
    print(f"    MB of JavaScript, at first and every {MEMORY_SECONDS:g} s: {' '.join(map(heap, seen))};", end=" ")
    print(f"{seen[0]['Nodes']:.0f} nodes at first, {seen[-1]['Nodes']:.0f} at last", flush=True)
    scrolled(page, session)
    context.close()


def scrolled(page: Page, session: CDPSession) -> None:
    """Scroll through the page for a while."""
    before = metrics(session)
    gaps = page.evaluate(SCROLL, [SCROLL_SECONDS, SCROLL_STEP])
    spent = shares(before, metrics(session), len(gaps) / 1000)
    middle, late = gaps[len(gaps) // 2], gaps[len(gaps) * 95 // 100]
    print(
        f"    scrolled by {SCROLL_STEP} pixels a frame: {spent} ms a frame, {middle:.0f} ms apart, {late:.0f} at p95",
        flush=True,
    )


def metrics(session: CDPSession) -> dict[str, float]:
    """The browser's own figures of the page, without garbage."""
    session.send("HeapProfiler.collectGarbage")
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def shares(before: dict[str, float], after: dict[str, float], parts: float) -> str:
    """What was spent in each way, divided into a thousand times `parts`."""
    return ", ".join(f"{(after[name] - before[name]) / parts:.1f}" for name in SPENT)


def heap(found: dict[str, float]) -> str:
    """Bytes that are used, in megabytes."""
    return f"{found['JSHeapUsedSize'] / 1e6:.1f}"


if __name__ == "__main__":
    main()
