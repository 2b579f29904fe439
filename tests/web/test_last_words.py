"""Numbers that a silent machine said last are not taken for those of now."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.web.scripted_fleet import entry, fleet_page, some
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

MINUTE_LATER = "() => { const now = Date.now; Date.now = () => now() + 61000; }"


def test_the_page_of_a_silent_machine_greys_its_figures_and_says_of_when_they_are(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    script = some()
    with fleet_page(browser, f"{dashboard_system.url}/?machine=db1", script) as page:
        said, figures = page.locator("#machine-last-words"), page.locator("#machine-figures")
        expect(said).to_have_text("last words of 12 min ago")
        expect(figures).to_have_css("filter", "grayscale(1)")
        expect(figures.locator(".meter").first).to_have_css("opacity", "0.45")
        page.evaluate(MINUTE_LATER)
        expect(said).to_have_text("last words of 13 min ago")
        script.say({"type": "machine", **entry("db1")})
        expect(said).to_be_hidden()
        expect(figures).to_have_css("filter", "none")
        expect(figures.locator(".meter").first).to_have_css("opacity", "1")
