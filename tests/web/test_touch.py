"""What fingers do on a chart: move the time along, pinch, put the cursor; and the page scrolls as it always does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.web.browsing import PATIENCE_MS, PHONE
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

FIXED = "/?machine=this-machine&from=2024-06-20T06:00:00Z&to=2024-06-20T07:00:00Z&zone=utc"
LIVE = "/?machine=this-machine&last=5m"
Share = tuple[float, float]


@dataclass
class Hand:
    """Fingers on the plot of a chart, each at a share of its width and height."""

    page: Page
    session: CDPSession

    def put(self, *fingers: Share) -> None:
        self._send("touchStart", fingers)

    def move(self, *fingers: Share) -> None:
        self._send("touchMove", fingers)
        # A frame has passed: what comes faster is one movement.
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def lift(self) -> None:
        self._send("touchEnd", ())

    def _send(self, kind: str, fingers: tuple[Share, ...]) -> None:
        box = self.page.locator("[data-chart=cpu] .u-over").bounding_box()
        assert box is not None
        points = [
            {"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y, "id": number}
            for number, (x, y) in enumerate(fingers)
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def hand(browser: Browser, dashboard_system: WholeSystem) -> Iterator[Hand]:
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(dashboard_system.url + FIXED)
    seen(page)
    yield Hand(page, context.new_cdp_session(page))
    context.close()


def seen(page: Page) -> None:
    over = page.locator("[data-chart=cpu] .u-over")
    expect(over).to_be_visible()
    over.scroll_into_view_if_needed()


def span(page: Page) -> tuple[float, float]:
    """The range that the address names, in seconds since 2024-06-20 06:00 UTC."""
    query = parse_qs(urlsplit(page.url).query)
    start, end = (
        page.evaluate("text => Date.parse(text) / 1000 - Date.parse('2024-06-20T06:00:00Z') / 1000", query[name][0])
        for name in ("from", "to")
    )
    return start, end


def wait_for_another_time(page: Page) -> None:
    page.wait_for_function("() => !location.search.includes('from=2024-06-20T06:00:00Z&to=2024-06-20T07:00:00Z')")


def test_a_finger_that_moves_sideways_moves_the_time_along(hand: Hand) -> None:
    hand.put((0.3, 0.5))
    for x in (0.4, 0.5, 0.6, 0.7, 0.8):
        hand.move((x, 0.5))
    hand.lift()
    wait_for_another_time(hand.page)
    start, end = span(hand.page)
    assert start == pytest.approx(-1800, abs=60)
    assert end - start == 3600


def test_a_finger_that_moves_on_from_the_present_leaves_it_live(hand: Hand, dashboard_system: WholeSystem) -> None:
    hand.page.goto(dashboard_system.url + LIVE)
    seen(hand.page)
    before = hand.page.url
    hand.put((0.8, 0.5))
    for x in (0.7, 0.6, 0.5, 0.4, 0.3):
        hand.move((x, 0.5))
    hand.page.wait_for_timeout(1100)
    hand.move((0.2, 0.5))
    hand.lift()
    newest = hand.page.locator("[data-chart=cpu]").get_attribute("data-newest")
    hand.page.wait_for_function("then => document.querySelector('[data-chart=cpu]').dataset.newest > then", arg=newest)
    assert hand.page.url == before


def test_two_fingers_that_part_show_less_and_what_lies_under_them_stays_there(hand: Hand) -> None:
    hand.put((0.4, 0.5), (0.6, 0.5))
    for apart in (0.2, 0.3, 0.4):
        hand.move((0.5 - apart, 0.5), (0.5 + apart, 0.5))
    hand.lift()
    wait_for_another_time(hand.page)
    # 0.2 of an hour is 0.8 of what is shown.
    assert list(span(hand.page)) == pytest.approx([1350, 2250], abs=40)


def test_two_fingers_that_close_show_more(hand: Hand) -> None:
    hand.put((0.1, 0.5), (0.9, 0.5))
    for apart in (0.3, 0.25, 0.2):
        hand.move((0.5 - apart, 0.5), (0.5 + apart, 0.5))
    hand.lift()
    wait_for_another_time(hand.page)
    assert list(span(hand.page)) == pytest.approx([-1800, 5400], abs=120)


def test_a_finger_that_moves_up_scrolls_the_page_and_changes_no_time(hand: Hand) -> None:
    before = hand.page.evaluate("scrollY"), hand.page.url
    # By so much of the page, whatever it has scrolled by meanwhile.
    height = hand.page.locator("[data-chart=cpu] .u-over").bounding_box()
    assert height is not None
    x, y = height["x"] + height["width"] / 2, height["y"] + height["height"] / 2
    for kind, up in (("touchStart", 0), *(("touchMove", step * 20) for step in range(1, 9))):
        hand.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y - up}]})
    hand.lift()
    hand.page.wait_for_function("before => scrollY > before + 60", arg=before[0])
    assert hand.page.url == before[1]


def test_a_tap_puts_the_cursor_and_a_finger_that_rests_moves_it(hand: Hand, dashboard_system: WholeSystem) -> None:
    page = hand.page
    page.goto(dashboard_system.url + LIVE)
    seen(page)
    page.wait_for_function("() => document.querySelector('[data-chart=cpu]').dataset.newest")
    said = page.locator("[data-chart=cpu] .cursor-time")
    expect(said).to_have_text("")
    hand.put((0.98, 0.5))
    hand.lift()
    expect(said).to_have_text(re.compile(r"\d\d:\d\d:\d\d|no data"))
    before = page.url
    hand.put((0.98, 0.4))
    page.wait_for_timeout(600)
    for x in (0.8, 0.6, 0.4, 0.3):
        hand.move((x, 0.4))
    cursor = page.locator("[data-chart=cpu] .u-cursor-x")
    at = cursor.evaluate("line => new DOMMatrix(getComputedStyle(line).transform).e / line.parentElement.clientWidth")
    assert at == pytest.approx(0.3, abs=0.02)
    hand.lift()
    page.wait_for_timeout(200)
    assert page.url == before
