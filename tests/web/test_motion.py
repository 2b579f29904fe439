"""Who asks for less motion gets none, on every page; who does not gets some."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.browsing import MACHINE_PAGE, Motion, Open

pytestmark = pytest.mark.browser

LONGEST_SECONDS = 0.00001
# Everything that an element or what stands before or after it would move by, in seconds, and which scrolls smoothly.
MOVING = """(longest) => {
    const inSeconds = (one) => parseFloat(one) * (one.endsWith("ms") ? 0.001 : 1);
    const seconds = (text) => Math.max(...text.split(",").map(inSeconds));
    const found = [];
    for (const element of [document.documentElement, ...document.querySelectorAll("*")]) {
        for (const part of [null, "::before", "::after", "::backdrop"]) {
            const style = getComputedStyle(element, part);
            const moves = seconds(style.transitionDuration) > longest
                || (style.animationName !== "none" && seconds(style.animationDuration) > longest);
            if (!moves && style.scrollBehavior !== "smooth") continue;
            found.push(`${element.tagName}.${element.className}${part ?? ""}`);
        }
    }
    return [...new Set(found)];
}"""
PAGES = {
    "/": ".fleet-row[data-machine] .cell-cpu b",
    "/?as=tiles": ".fleet-row[data-machine] .cell-cpu b",
    MACHINE_PAGE: "[data-chart=cpu] canvas",
    "/?view=compare": "#compare-list tr",
    "/?view=alerts": "#alerts-rules tr",
}


def moving(page: Page) -> list[str]:
    found: list[str] = page.evaluate(MOVING, LONGEST_SECONDS)
    return found


def opened(open_page: Open, path: str, motion: Motion) -> Page:
    page = open_page(path, motion=motion)
    expect(page.locator(PAGES[path]).first).to_be_visible()
    page.evaluate("() => document.querySelectorAll('details').forEach((menu) => { menu.open = true; })")
    return page


@pytest.mark.parametrize("path", PAGES)
def test_nothing_moves_for_who_wants_it_so(open_page: Open, path: str) -> None:
    assert moving(opened(open_page, path, "reduce")) == []


def test_otherwise_something_does(open_page: Open) -> None:
    """Else the test above could not fail."""
    assert moving(opened(open_page, MACHINE_PAGE, "no-preference"))
