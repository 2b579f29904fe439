"""The list of machines marks those whose clock is off."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import DESKTOP, PHONE
from tests.web.scripted_fleet import Script, entry, fleet_page, row
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["rows", "tiles"])
def test_the_list_marks_a_clock_that_is_off(
    browser: Browser, dashboard_system: WholeSystem, size: tuple[int, int]
) -> None:
    now = time.time()
    script = Script(
        [
            entry("ahead") | {"time": now + 870},
            entry("behind") | {"time": now - 1810},
            entry("right") | {"time": now - 5},
        ]
    )
    with fleet_page(browser, dashboard_system.url, script, size) as page:
        for name, text in (("ahead", "its clock is 14 min ahead"), ("behind", "its clock is 30 min behind")):
            mark = row(page, name).get_by_role("img", name=text)
            expect(mark).to_be_visible()
            # Nothing lies above it, so that a mouse is told.
            mark.hover()
            expect(mark).to_have_attribute("title", text)
        expect(row(page, "right").locator(".cell-state")).to_be_visible()
        expect(row(page, "right").locator(".clock-mark")).to_be_hidden()
        row(page, "ahead").locator(".clock-mark").click()
        expect(page.locator("#machine-name")).to_have_text("ahead")


def test_a_clock_that_is_set_right_has_no_mark_any_more(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = Script([entry("ahead") | {"time": time.time() + 870}])
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(row(page, "ahead").locator(".clock-mark")).to_be_visible()
        script.say({"type": "machine", **entry("ahead")})
        expect(row(page, "ahead").locator(".clock-mark")).to_be_hidden()
