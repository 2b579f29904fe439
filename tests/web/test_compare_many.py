"""The compare page of a thousand machines, of silent ones and hostile names; the gateway says what a test says."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from tests.web.browsing import PATIENCE_MS, coloured_pixels
from tests.web.scripted import HOSTILE
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

SERIES = {"metric": "cpu.percent", "instance": "", "unit": "percent", "kind": "rate", "instance_label": ""}
Machine = dict[str, object]


def machine(number: int, silent_seconds: float = 0) -> Machine:
    name = f"host-{number:04}"
    seen = time.time() - silent_seconds
    hello = {"interval_seconds": 5, "agent_version": "1", "facts": {}, "tags": [HOSTILE if number % 2 else "even"]}
    sample = {"time": seen, "received": seen, "layout": "aa", "values": [number / 10]}
    return {"machine": name, "state": "silent" if silent_seconds else "up", **hello, **sample}


def answer(route: Route) -> None:
    """/api/history: each machine read a tenth of its number, host-0007 no second half, host-2000 nothing."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
    start, end, points = float(query["from"]), float(query["to"]), int(query["points"])
    step = max(10, math.ceil((end - start) / points))
    times = [start // step * step + at * step for at in range(math.ceil((end - start) / step) + 1)]
    series = []
    for name in query["machines"].split(","):
        if name == "host-2000":
            continue
        values: list[float | None] = [int(name[5:]) / 10] * len(times)
        if name == "host-0007":
            values[len(times) // 2 :] = [None] * (len(times) - len(times) // 2)
        series.append({"machine": name, "instance": "", "min": values, "mean": values, "max": values})
    head = {"metric": query["metric"], "unit": "percent", "kind": "rate", "from": start, "to": end}
    rest = {"step_seconds": step, "times": times, "series": series, "gaps": [], "unknown": [], "left_out": []}
    route.fulfill(json=head | rest)


def open_scripted(browser: Browser, address: str, machines: list[Machine]) -> tuple[Page, list[str]]:
    """The page, and the questions for history that it asks."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []

    def respond(route: Route) -> None:
        asked.append(route.request.url)
        answer(route)

    def say(socket: WebSocketRoute) -> None:
        layouts: dict[str, object] = {"aa": [SERIES]}
        head = {"type": "snapshot", "time": time.time(), "live": True, "metrics": ["cpu.percent"]}
        socket.send(json.dumps(head | {"layouts": layouts, "machines": machines}))

    page.route_web_socket("**/ws*", say)
    page.route("**/api/history?*", respond)
    page.goto(address)
    return page, asked


def test_a_thousand_machines_are_asked_for_in_parts_and_as_many_rows_are_drawn_as_can_be_seen(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    machines = [machine(number) for number in range(1000)]
    page, asked = open_scripted(browser, f"{dashboard_system.url}/?view=compare&as=heat", machines)
    notes = page.locator("#compare-notes")
    expect(notes).to_contain_text(
        "500 more not drawn: these are the 500 rows with the greatest mean in the time shown.", timeout=PATIENCE_MS
    )
    questions = [parse_qs(urlsplit(url).query) for url in asked]
    assert [len(one["machines"][0].split(",")) for one in questions] == [50] * 20
    assert len({(one["from"][0], one["to"][0], one["points"][0]) for one in questions}) == 1
    listed = page.locator("#compare-list tr")
    expect(listed).to_have_count(100)
    expect(listed.first).to_contain_text("host-0999")
    page.get_by_role("button", name="400 more rows").click()
    expect(listed).to_have_count(500)
    page.context.close()


def test_what_was_not_read_is_hatched_and_said_not_taken_for_zero(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    address = f"{dashboard_system.url}/?view=compare&as=heat&last=1h"
    page, _ = open_scripted(browser, address, [machine(7, silent_seconds=1800), machine(900)])
    row = page.locator('#compare-list [data-key^="host-0007 "]')
    expect(row.locator(".silent")).to_have_text("silent 30 min")
    box = page.locator("[data-chart=compare] .u-over").bounding_box()
    assert box is not None
    over = page.locator("[data-chart=compare] .u-over")
    over.hover(position={"x": box["width"] * 0.25, "y": box["height"] * 0.75})
    expect(page.locator(".cursor-note .value")).to_have_text("0.7%")
    over.hover(position={"x": box["width"] * 0.75, "y": box["height"] * 0.75})
    expect(page.locator(".cursor-note .value")).to_have_text("no sample")
    page.context.close()


def test_a_heat_map_that_waits_for_history_does_not_hatch_what_may_come(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    address = f"{dashboard_system.url}/?view=compare&as=heat&last=1h"
    page, _ = open_scripted(browser, address, [machine(7), machine(900)])
    expect(page.locator("#compare-list tr")).to_have_count(2)
    said = page.locator("[data-chart=compare] .chart-message")
    before = coloured_pixels(page, "compare", "hatch", 0)
    page.route("**/api/history?*", lambda route: None)
    page.get_by_role("link", name="6h", exact=True).click()
    expect(said).to_have_text("Loading…", timeout=PATIENCE_MS)
    # It has kept what is known, a sixth of the time: half of a row in that is hatched as before, though narrower.
    assert 0 < coloured_pixels(page, "compare", "hatch", 0) < before
    page.context.close()


COLOURS_OF_ROWS = """rows => {
  const canvas = document.querySelector("[data-chart=compare] canvas");
  const over = document.querySelector("[data-chart=compare] .u-over").getBoundingClientRect();
  const { left, top, width } = canvas.getBoundingClientRect();
  const ratio = canvas.width / width;
  return Array.from({ length: rows }, (_, row) => {
    const [x, y] = [over.left - left + over.width / 2, over.top - top + ((row + 0.5) / rows) * over.height];
    return canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data.join();
  });
}"""


def test_what_is_below_zero_has_colours_of_its_own(browser: Browser, dashboard_system: WholeSystem) -> None:
    address = f"{dashboard_system.url}/?view=compare&as=heat&last=1h"
    page, _ = open_scripted(browser, address, [machine(number) for number in (-200, -100, 900)])
    expect(page.locator("#compare-list tr")).to_have_count(3)
    expect(page.locator("#compare-scale-low")).to_have_text("-20.0%")
    expect(page.locator("#compare-scale-top")).to_have_text("100%")
    assert len(set(page.evaluate(COLOURS_OF_ROWS, 3))) == 3
    page.context.close()


def test_of_what_is_yet_to_come_nothing_is_hatched(browser: Browser, dashboard_system: WholeSystem) -> None:
    shown = [datetime.fromtimestamp(time.time() + seconds, UTC) for seconds in (-1800, 1800)]
    begin, end = (one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in shown)
    address = f"{dashboard_system.url}/?view=compare&metric=cpu.percent&as=heat&from={begin}&to={end}"
    # Of the first there is nothing in the second half.
    page, asked = open_scripted(browser, address, [machine(7), machine(900)])
    expect(page.locator("#compare-list tr")).to_have_count(2)
    expect(page.locator("[data-chart=compare] .chart-message")).to_be_hidden()
    query = {
        name: float(value[0]) for name, value in parse_qs(urlsplit(asked[0]).query).items() if name in {"from", "to"}
    }
    assert query["to"] - query["from"] > 3500
    # Hatched it would be ten times as much: these are lines of the grid.
    assert coloured_pixels(page, "compare", "hatch", 0.55) < 1000
    page.context.close()


def test_a_clock_that_is_off_is_said_and_not_taken_for_a_metric_that_is_missing(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    behind = machine(2000) | {"time": time.time() - 7230}
    ahead = machine(900) | {"time": time.time() + 630}
    address = f"{dashboard_system.url}/?view=compare&last=1h"
    page, _ = open_scripted(browser, address, [machine(7), ahead, behind])
    notes = page.locator("#compare-notes")
    expect(notes).to_contain_text(
        "host-0900: its clock is 10 min ahead; host-2000: its clock is 2 h behind.", timeout=PATIENCE_MS
    )
    expect(page.locator("#compare-list tr")).to_have_count(2)
    expect(notes).not_to_contain_text("no such metric")
    page.context.close()


def test_a_hostile_tag_is_only_text_and_works(browser: Browser, dashboard_system: WholeSystem) -> None:
    page, _ = open_scripted(browser, f"{dashboard_system.url}/?view=compare", [machine(1), machine(2)])
    expect(page.locator("#compare-list tr")).to_have_count(2)
    page.locator("#compare-machines summary").click()
    page.locator("#compare-machines .chip", has_text="onerror").click()
    expect(page.locator("#compare-list tr")).to_have_count(1)
    expect(page.locator("#compare-chips")).to_contain_text(HOSTILE)
    assert page.locator("#content img").count() == 0
    page.context.close()


def test_a_machine_that_joins_is_compared_too(browser: Browser, dashboard_system: WholeSystem) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    sockets: list[WebSocketRoute] = []

    def say(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        head = {"type": "snapshot", "time": time.time(), "live": True, "layouts": {"aa": [SERIES]}}
        socket.send(json.dumps(head | {"machines": [machine(1)]}))

    page.route_web_socket("**/ws*", say)
    page.route("**/api/history?*", answer)
    page.goto(f"{dashboard_system.url}/?view=compare")
    expect(page.locator("#compare-list tr")).to_have_count(1)
    sockets[-1].send(json.dumps({"type": "machine"} | machine(2)))
    expect(page.locator("#compare-list tr")).to_have_count(2, timeout=PATIENCE_MS)
    page.context.close()
