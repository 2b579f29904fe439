"""The bar of time beside the title of a page: whatever the width and the range, each of its parts can be clicked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.browsing import MACHINE, Open

# A system that has just begun has no history yet.
pytestmark = [pytest.mark.browser, pytest.mark.expects("status of 404")]

WIDTHS = (360, 390, 768, 1024, 1280, 1440)
PAGES = (f"/?machine={MACHINE}", "/?view=compare", "/?view=alerts")
# Its words are the longest that a range has: two days, and how much lies between them.
FIXED = "&from=2024-11-29T06:00:00Z&to=2024-11-30T07:30:00Z&zone=utc"
READY = "main > .heading:not([hidden]) h1"
# What lies at the middle of a button or link of the bar, or of a title's link, without being of it.
COVERED = """() => [...document.querySelectorAll(
    "#time-bar :is(.steps button, .ranges a, summary, #time-live a), main > .heading:not([hidden]) a"
)].map((part) => {
    const { x, y, width, height } = part.getBoundingClientRect();
    const found = document.elementFromPoint(x + width / 2, y + height / 2);
    const held = part.contains(found) && x >= 0 && x + width <= document.documentElement.clientWidth;
    return held ? null : `${part.ariaLabel || part.textContent}: ${found?.outerHTML.slice(0, 80)}`;
}).filter(Boolean)"""


def at_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.parametrize("time", ["&last=1h", FIXED], ids=["live", "fixed"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_covers_a_part_of_the_bar(open_page: Open, path: str, time: str) -> None:
    page = open_page(path + time)
    expect(page.locator(READY)).not_to_be_empty()
    expect(page.locator("#time-bar .ranges a")).to_have_count(9)
    expect(page.locator("#time-live")).to_be_visible(visible=time == FIXED)
    for width in WIDTHS:
        at_width(page, width)
        assert page.evaluate(COVERED) == [], f"{width} pixels"
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_title_and_a_short_bar_share_a_line_and_a_long_bar_goes_below_it(open_page: Open) -> None:
    tops = """() => ["main > .heading:not([hidden])", "#time-bar .steps"].map(
        (one) => document.querySelector(one).getBoundingClientRect().top)"""
    page = open_page(f"{PAGES[0]}{FIXED}", (1024, 800))
    expect(page.locator("#time-bar .ranges a")).to_have_count(9)
    title, bar = page.evaluate(tops)
    assert bar >= title + 32
    page.get_by_role("link", name="Live").click()
    expect(page.locator("#time-live")).to_be_hidden()
    title, bar = page.evaluate(tops)
    assert bar == pytest.approx(title, abs=1)


def test_the_bar_stays_in_sight_when_the_page_scrolls(open_page: Open) -> None:
    page = open_page(PAGES[0])
    page.locator("#event-list").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#time-earlier")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.querySelector('#time-bar').getBoundingClientRect().top") == 0
    assert page.evaluate(COVERED.replace(", main > .heading:not([hidden]) a", "")) == []


@pytest.mark.parametrize("width", [360, 375])
def test_all_presets_are_in_sight_in_one_line_each(open_page: Open, width: int) -> None:
    page = open_page(PAGES[0], (width, 740))
    presets = page.locator("#ranges a")
    expect(presets).to_have_count(9)
    assert page.evaluate("ranges.scrollWidth - ranges.clientWidth") == 0
    heights = presets.evaluate_all("links => links.map((link) => link.getBoundingClientRect().height)")
    assert max(heights) < 32
    for preset in presets.all():
        expect(preset).to_be_in_viewport(ratio=1)
