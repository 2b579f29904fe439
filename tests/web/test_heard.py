"""What those learn of the page who hear it: new alerts as they come, and where in a long list a row stands."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import PATIENCE_MS
from tests.web.scripted_fleet import Script, alert, entry, expect_shown, fleet_page, some
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

# Notes whatever is ever said in the place for it.
LISTEN = """() => {
    window.heard = [];
    const place = document.getElementById("announced");
    new MutationObserver(() => place.textContent && window.heard.push(place.textContent))
        .observe(place, {childList: true, characterData: true, subtree: true});
}"""
NEWS = {
    "id": 7,
    "time": 1.0,
    "kind": "alert.firing",
    "severity": "warning",
    "machine": "a",
    "message": "a",
    "fields": {},
}


def test_new_alerts_are_told_as_one_sentence_and_those_that_were_there_are_not(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    old = alert("a", "warning") | {"rule": "old"}
    script = Script([entry("a"), entry("b")], [old])
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(page.locator("#alert-list li")).to_have_count(1)
        page.evaluate(LISTEN)
        page.wait_for_timeout(1500)
        assert page.evaluate("window.heard") == []
        script.alerts = [old, alert("b", "critical") | {"rule": "cpu-high"}]
        script.say({"type": "event", "event": NEWS})
        page.wait_for_function("() => window.heard.length > 0", timeout=PATIENCE_MS)
        script.alerts = [*script.alerts, *(alert("a", "info") | {"rule": f"r{number}"} for number in range(50))]
        # However often it is told within a second.
        for number in range(8, 12):
            script.say({"type": "event", "event": NEWS | {"id": number}})
        page.wait_for_function("() => window.heard.length > 1", timeout=PATIENCE_MS)
        page.wait_for_timeout(1500)
        assert page.evaluate("window.heard") == [
            "b: cpu-high fires, critical.",
            "50 new alerts fire on 1 machine.",
        ]


def test_a_row_says_which_of_how_many_it_is(browser: Browser, dashboard_system: WholeSystem) -> None:
    indexes = "rows => rows.map(row => row.getAttribute('aria-rowindex'))"
    with fleet_page(browser, f"{dashboard_system.url}/?group=rack", some()) as page:
        expect(page.locator(".group-head")).to_have_count(3)
        table = page.locator("#fleet-table")
        expect(table).to_have_attribute("aria-rowcount", "9")
        expect(table).to_have_attribute("aria-colcount", "9")
        assert table.locator("[role=row]").evaluate_all(indexes) == [str(number) for number in range(1, 10)]
        page.locator("#fleet-group").select_option("")
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        expect(table).to_have_attribute("aria-rowcount", "6")
        assert table.locator("[role=row]").evaluate_all(indexes) == [str(number) for number in range(1, 7)]
