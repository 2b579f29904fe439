"""What did not come to a page is asked for: whether the link was lost, or the gateway itself has missed something."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browsing import PATIENCE_MS
from tests.web.scripted_fleet import Script, entry, fleet_page, snapshot
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

ASKED = ("/api/history", "/api/alerts", "/api/rules")


@pytest.mark.parametrize("lost", [False, True], ids=["by the gateway", "with the link"])
def test_history_alerts_and_rules_are_asked_for_anew(
    browser: Browser, dashboard_system: WholeSystem, lost: bool
) -> None:
    script = Script([entry("web1")])
    asked: list[str] = []
    with fleet_page(browser, f"{dashboard_system.url}/?view=compare&metric=cpu.percent&with=web1", script) as page:
        expect(page.locator("#compare-list tr")).to_have_count(1)
        page.wait_for_timeout(500)
        page.on("request", lambda request: asked.append(request.url))
        if lost:
            script.hang_up()
        else:
            script.say(snapshot(script.machines))
        for path in ASKED:
            _until_asked(page, asked, path)
        # Once, and not with each message after that.
        page.wait_for_timeout(500)
        asked.clear()
        script.say({"type": "beat", "time": time.time()})
        page.wait_for_timeout(500)
        assert [url for url in asked if "/api/history" in url] == []


def _until_asked(page: Page, asked: list[str], path: str) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not any(path in url for url in asked):
        assert time.monotonic() < deadline, f"{path} is not asked for"
        page.wait_for_timeout(50)
