"""The time that charts show: presets, any range, drag to zoom, pan, back; one cursor for all; gaps are hatched."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, Route, expect

from tests.web.browsing import MACHINE_PAGE, PATIENCE_MS, Open, coloured_pixels, seconds_asked
from tests.web.scripted import AWAY, database_away, machine, scripted_page, snapshot
from tests.whole_system import WholeSystem

FIXED = "/?machine=this-machine&from=2024-06-20T06:00:00Z&to=2024-06-20T07:00:00Z&zone=utc"


def plot(page: Page, chart: str = "cpu") -> Locator:
    found = page.locator(f"[data-chart={chart}] .u-over")
    expect(found).to_be_visible()
    return found


def drag(page: Page, over: Locator, start: float, end: float, *, keys: str = "") -> None:
    """From one share of the width to another."""
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    if keys:
        page.keyboard.down(keys)
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y, steps=3)
    page.mouse.move(box["x"] + box["width"] * end, y, steps=3)
    page.mouse.up()
    if keys:
        page.keyboard.up(keys)


def span(page: Page) -> tuple[float, float]:
    """The fixed range that the address names, in seconds since 2024-06-20 06:00 UTC."""
    page.wait_for_function("location.search.includes('from=')")
    query = parse_qs(urlsplit(page.url).query)
    start, end = (
        page.evaluate("text => Date.parse(text) / 1000 - Date.parse('2024-06-20T06:00:00Z') / 1000", query[name][0])
        for name in ("from", "to")
    )
    return start, end


def asks_for(seconds: float) -> Callable[[Response], bool]:
    """Whether an answer is one of history about so long a time."""
    return lambda answer: seconds_asked(answer.url) == pytest.approx(seconds, rel=0.02)


def test_a_drag_shows_that_part_of_the_time_on_all_charts_and_back_returns(open_page: Open) -> None:
    page = open_page(FIXED)
    with page.expect_response(asks_for(1800)):
        drag(page, plot(page), 0.25, 0.75)
    assert list(span(page)) == pytest.approx([900, 2700], abs=15)
    expect(page.locator("#time-said")).to_have_text(re.compile(r"2024-06-20 06:1\d – 06:4\d \(30 min\)|\(29 min\)"))
    page.go_back()
    assert span(page) == (0, 3600)


@pytest.mark.parametrize("way", ["up", "down", "next chart", "beyond the left"])
def test_a_drag_goes_on_outside_of_the_plot(open_page: Open, way: str) -> None:
    page = open_page(FIXED)
    over = plot(page)
    over.scroll_into_view_if_needed()
    box, other = over.bounding_box(), plot(page, "memory").bounding_box()
    assert box is not None and other is not None
    middle, quarter = box["y"] + box["height"] / 2, box["x"] + box["width"] / 4
    x, y = {
        "up": (quarter, box["y"] - 30),
        "down": (quarter, box["y"] + box["height"] + 40),
        "next chart": (other["x"] + other["width"] / 4, other["y"] + 20),
        "beyond the left": (2, middle),
    }[way]
    page.mouse.move(box["x"] + box["width"] * 3 / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=3)
    page.mouse.move(x, y, steps=5)
    page.mouse.up()
    end = 3600 * max(0, min(1, (x - box["x"]) / box["width"]))
    assert list(span(page)) == pytest.approx(sorted((2700, end)), abs=15)


def test_a_drag_of_what_is_live_stops_there_and_live_leads_back(open_page: Open) -> None:
    page = open_page(MACHINE_PAGE)
    over = plot(page)
    # What was live is drawn until the answer of what is not has come.
    with page.expect_response(lambda answer: "/history" in answer.url and "cpu.percent" in answer.url):
        drag(page, over, 0.5, 0.9)
    start, end = span(page)
    assert end - start == pytest.approx(120, abs=10)
    page.wait_for_timeout(500)
    newest = page.locator("[data-chart=cpu]").get_attribute("data-newest")
    page.wait_for_timeout(2500)
    assert page.locator("[data-chart=cpu]").get_attribute("data-newest") == newest
    page.get_by_role("link", name="Live").click()
    assert page.url.endswith("&last=5m")
    page.wait_for_function("then => document.querySelector('[data-chart=cpu]').dataset.newest > then", arg=newest)


@pytest.mark.parametrize("way", ["shift", "axis"])
def test_dragging_along_moves_the_time(open_page: Open, way: str) -> None:
    page = open_page(FIXED)
    if way == "shift":
        drag(page, plot(page), 0.25, 0.75, keys="Shift")
    else:
        plot(page)
        drag(page, page.locator("[data-chart=cpu] .u-axis").first, 0.25, 0.75)
    start, end = span(page)
    assert start == pytest.approx(-1800, abs=60)
    assert end - start == 3600


@pytest.mark.parametrize("way", ["shift", "axis", "key"])
def test_what_is_live_stays_live_where_there_is_no_way_on(open_page: Open, way: str) -> None:
    page = open_page(MACHINE_PAGE)
    over = plot(page)
    before = page.url
    newest = page.locator("[data-chart=cpu]").get_attribute("data-newest")
    if way == "key":
        page.locator("[data-chart=cpu] .plot").focus()
        page.keyboard.press("PageDown")
    elif way == "shift":
        drag(page, over, 0.75, 0.25, keys="Shift")
    else:
        drag(page, page.locator("[data-chart=cpu] .u-axis").first, 0.75, 0.25)
    page.wait_for_function("then => document.querySelector('[data-chart=cpu]').dataset.newest > then", arg=newest)
    assert page.url == before
    # Back in time it still leads, from any of them.
    drag(page, over, 0.25, 0.75, keys="Shift")
    start, end = span(page)
    assert end - start == 300


def test_a_double_click_shows_twice_as_much(open_page: Open) -> None:
    page = open_page(FIXED)
    plot(page).dblclick()
    assert list(span(page)) == pytest.approx([-1800, 5400], abs=30)


def test_buttons_go_earlier_and_later_and_show_more_and_less(open_page: Open) -> None:
    page = open_page(FIXED)
    for button, expected in (
        ("Earlier", (-1800, 1800)),
        ("Later", (0, 3600)),
        ("Show more time", (-1800, 5400)),
        ("Show less time", (0, 3600)),
    ):
        page.get_by_role("button", name=button).click()
        assert span(page) == expected
    page.go_back()
    assert span(page) == (-1800, 5400)


def test_any_range_can_be_asked_for(open_page: Open) -> None:
    page = open_page(FIXED)
    page.locator("#time-custom summary").click()
    expect(page.locator("#time-from")).to_have_value("2024-06-20T06:00")
    expect(page.locator("#time-zone")).to_have_text("UTC")
    page.locator("#time-to").fill("2024-06-20T05:00:00")
    page.get_by_role("button", name="Show", exact=True).click()
    assert (
        page.locator("#time-to").evaluate("input => input.validationMessage") == "The end is not after the beginning."
    )
    page.locator("#time-to").fill("2024-06-21T06:00:00")
    page.get_by_role("button", name="Show", exact=True).click()
    assert span(page) == (0, 86400)
    expect(page.locator("#time-form")).to_be_hidden()
    page.reload()
    expect(page.locator("#time-said")).to_have_text("2024-06-20 06:00 – 2024-06-21 06:00 (1 d)")


def test_presets_lead_from_the_present_to_a_year_and_back(open_page: Open) -> None:
    page = open_page(MACHINE_PAGE)
    for name, seconds in (("1y", 31536000), ("30d", 2592000), ("5m", 300)):
        with page.expect_response(asks_for(seconds)):
            page.locator("#ranges").get_by_role("link", name=name, exact=True).click()
        expect(page.locator("#ranges [aria-current]")).to_have_text(name)
        expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()


def test_the_cursor_is_that_of_all_charts(open_page: Open) -> None:
    page = open_page(MACHINE_PAGE)
    plot(page, "memory")
    page.wait_for_function("document.querySelector('[data-chart=memory] .legend').innerText.includes('iB')")
    over = plot(page)
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + 40)
    # At one moment: what lies under a cursor that rests moves on with the time.
    page.wait_for_function(
        """() => {
            const said = [...document.querySelectorAll(".cursor-time")].map((one) => one.innerText);
            const [cpu] = said;
            return /\\d\\d:\\d\\d:\\d\\d|no data/.test(cpu) && said.filter((one) => one === cpu).length > 3;
        }"""
    )


def test_keys_move_the_cursor_and_the_time(open_page: Open) -> None:
    page = open_page(MACHINE_PAGE)
    plot(page)
    page.locator("[data-chart=cpu] .plot").focus()
    page.wait_for_function("document.querySelector('[data-chart=cpu]').dataset.newest")
    page.keyboard.press("End")
    spoken = page.locator("[data-chart=cpu] [aria-live]")
    expect(spoken).to_have_text(re.compile(r"^\d\d:\d\d:\d\d, all (?:[\d.]+%|–)(?:, at most [\d.]+%)?, user "))
    said = spoken.inner_text()
    # Meanwhile the time has moved on under a cursor that rests.
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(spoken).not_to_have_text(said)
    page.keyboard.press("PageUp")
    start, end = span(page)
    assert end - start == 300
    expect(page.locator("[data-chart=cpu] .plot")).to_be_focused()
    before = page.url
    page.keyboard.press("-")
    page.wait_for_function("before => location.href !== before", arg=before)
    wider = span(page)
    assert wider[1] - wider[0] == pytest.approx(600, abs=2)


def answer_with_a_hole(route: Route) -> None:
    """The middle third is missing: samples were given up."""
    answer(route, 40, 80, 240)


def answer_with_a_loss(route: Route) -> None:
    """Some samples of one bucket were given up, the others are there."""
    answer(route, 0, 0, 120)


def answer(route: Route, first: int, after: int, frames: int) -> None:
    """120 buckets; those from one to another are empty, or one of them has lost ten minutes."""
    query = parse_qs(urlsplit(route.request.url).query)
    start, end = float(query["from"][0]), float(query["to"][0])
    step = (end - start) / 120
    times = [start + step * number for number in range(120)]
    values = [None if first <= number < after else 20.0 for number in range(120)]
    described = {
        "machine": "odd",
        "first_seen": start - 60,
        "metric": query["metric"][0],
        "unit": "percent",
        "kind": "gauge",
        "from": start,
    }
    middle = times[60] + step / 2
    lost = (times[first], times[after]) if after else (middle - 300, middle + 300)
    gap = {"from": lost[0], "to": lost[1], "frames": frames, "reason": "shed"}
    series = {"instance": "", "min": values, "mean": values, "max": values}
    measured = {"to": end, "step_seconds": step, "tiers": [], "gaps": [gap], "times": times, "series": [series]}
    route.fulfill(json=described | measured)


@pytest.mark.expects("status of 404")
def test_a_gap_is_hatched_not_bridged_and_says_what_is_known(browser: Browser, dashboard_system: WholeSystem) -> None:
    context = browser.new_context()
    context.route("**/history?*", answer_with_a_hole)
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=1h", snapshot(machine("up")))
    over = plot(page)
    page.wait_for_function("document.querySelector('[data-chart=cpu]').dataset.newest")
    page.wait_for_timeout(300)
    hatched = [coloured_pixels(page, "cpu", "hatch", share) for share in (0.35, 0.65)]
    # Lines of the grid are of nearly the same colour, and are everywhere.
    assert hatched[0] - hatched[1] > 2 * hatched[1]
    lines = [coloured_pixels(page, "cpu", "series-total", share) for share in (0.35, 0.65)]
    assert lines[0] == lines[1] > 0
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    expect(page.locator("[data-chart=cpu] .cursor-time")).to_have_text(
        "no data for 20 min: 240 samples given up by a full spool", timeout=PATIENCE_MS
    )
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40)
    expect(page.locator("[data-chart=cpu] .cursor-time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    context.close()


def test_what_was_lost_within_a_bucket_is_marked_and_says_how_long_and_why(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    context = browser.new_context()
    context.route("**/history?*", answer_with_a_loss)
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=1y", snapshot(machine("up")))
    over = plot(page)
    page.wait_for_function("() => document.querySelector('[data-chart=cpu]').dataset.newest")
    page.wait_for_timeout(300)
    marked, beyond = (coloured_pixels(page, "cpu", "ink-soft", share) for share in (0.45, 0.6))
    assert marked > 20 and beyond == 0
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 60.5 / 120, box["y"] + 40)
    expect(page.locator("[data-chart=cpu] .cursor-time")).to_have_text(
        re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d, no data for 10 min: 120 samples given up by a full spool$"),
        timeout=PATIENCE_MS,
    )
    context.close()


def answer_whole(route: Route) -> None:
    answer(route, 0, 0, 0)


@pytest.mark.expects("status of 404", "status of 503")
def test_what_is_awaited_or_refused_is_not_said_to_be_missing(browser: Browser, dashboard_system: WholeSystem) -> None:
    context = browser.new_context()
    held: list[Route] = []
    away: list[bool] = []
    context.route("**/history?*", answer_whole)
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=1h", snapshot(machine("up")))
    over = plot(page)
    said = page.locator("[data-chart=cpu] .chart-message")
    expect(said).to_be_hidden()
    before = coloured_pixels(page, "cpu", "hatch", 0)
    context.route("**/history?*", lambda route: database_away(route) if away else held.append(route))
    page.get_by_role("link", name="6h", exact=True).click()
    expect(said).to_have_text("Loading…", timeout=PATIENCE_MS)
    # The hour that is known stays drawn, at the right.
    assert coloured_pixels(page, "cpu", "series-total", 0.85) > 0
    # Hatched would be five times as much: these are lines of the grid.
    assert coloured_pixels(page, "cpu", "hatch", 0) < 2 * before
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
    moment = page.locator("[data-chart=cpu] .cursor-time")
    expect(moment).to_have_text(re.compile(r"\d\d:\d\d"))
    away.append(True)
    for route in held:
        database_away(route)
    expect(said).to_contain_text(f"History cannot be read: {AWAY}", timeout=PATIENCE_MS)
    assert coloured_pixels(page, "cpu", "hatch", 0) < 2 * before
    expect(moment).not_to_contain_text("no data")
    context.close()


@pytest.mark.expects("status of 404")
def test_a_silent_machine_has_a_gap_up_to_now(browser: Browser, dashboard_system: WholeSystem) -> None:
    context = browser.new_context()
    messages = snapshot(machine("silent", silent_seconds=120))
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=5m", messages)
    plot(page)
    page.wait_for_timeout(300)
    everywhere, right = (coloured_pixels(page, "cpu", "hatch", share) for share in (0, 0.65))
    assert right > everywhere - right
    context.close()
