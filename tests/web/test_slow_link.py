"""A page whose link is silent connects anew, and has more patience with the next link, which may only be slow."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.web.scripted_fleet import Message, Script, entry, fleet_page, sample
from tests.whole_system import WholeSystem, eventually

pytestmark = pytest.mark.browser


def beat() -> Message:
    return {"type": "beat", "time": time.time()}


def test_a_silent_link_is_given_up_and_the_next_is_given_more_time(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    script = Script([entry("web1")])
    with fleet_page(browser, "about:blank", script) as page:
        page.clock.install()
        page.goto(dashboard_system.url)
        status, banner = page.locator("#link-text"), page.locator("#link-reason")
        expect(status).to_have_text("live")
        script.say(beat())
        page.clock.fast_forward(13_000)
        expect(status).to_have_text("disconnected")
        page.clock.fast_forward(16_000)
        # The scripted gateway only speaks while the page is looked at.
        eventually("the page has connected anew", lambda: page.title() and len(script.opened) == 2)
        expect(status).to_have_text("live")
        script.say(beat())
        page.wait_for_timeout(100)
        page.clock.fast_forward(13_000)
        expect(banner).to_have_text("nothing comes from the gateway at the moment; waiting for it")
        expect(status).to_have_text("not live")
        # What was slow has come.
        script.say(sample("web1", cpu=77))
        expect(status).to_have_text("live")
        expect(page.locator('[data-machine="web1"]')).to_contain_text("77")
        assert len(script.opened) == 2
        page.clock.fast_forward(13_000)
        expect(status).to_have_text("not live")
        page.clock.fast_forward(13_000)
        expect(status).to_have_text("disconnected")
