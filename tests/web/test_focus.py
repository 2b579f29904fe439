"""What is drawn anew under somebody's keyboard keeps the focus."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.scripted_fleet import Message, Script, alert, entry, fleet_page
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

FOCUSED = "() => document.activeElement.textContent"


def happened(number: int, kind: str, machine: str) -> Message:
    about = {"severity": "warning", "machine": machine, "message": f"{machine}: number {number}"}
    fields = {"severity": "warning", "rule": f"rule{number}", "since": time.time() - 60}
    return {"id": number, "time": time.time() - 100 + number, "kind": kind, "fields": fields, **about}


def told(event: Message) -> Message:
    return {"type": "event", "event": event}


def script_of(*alerts: Message) -> Script:
    return Script([entry("web1"), entry("web2")], list(alerts))


def news(page: Page, script: Script, *alerts: Message) -> None:
    """Other alerts are there now; wait until the page has asked."""
    script.alerts = list(alerts)
    number = 1000 + len(script.sent) + len(alerts)
    with page.expect_response("**/api/alerts"):
        script.say(told(happened(number, "alert.firing", "web2")))


def test_a_link_in_the_strip_of_alerts(browser: Browser, dashboard_system: WholeSystem) -> None:
    first, second, third = (alert(name, "warning") | {"rule": name} for name in ("web1", "web2", "web1b"))
    script = script_of(first, second)
    with fleet_page(browser, dashboard_system.url, script) as page:
        items = page.locator("#alert-list li")
        link = items.filter(has_text="web1").get_by_role("link", name="web1", exact=True)
        link.focus()
        # A worse one comes before it.
        news(page, script, first, second, third | {"severity": "critical"})
        expect(items).to_have_count(3)
        expect(link).to_be_focused()
        # What it says is another sentence.
        news(page, script, first | {"message": "web1: far too much"}, second)
        expect(items.filter(has_text="far too much")).to_have_count(1)
        expect(link).to_be_focused()
        # It is over: the next one takes its place.
        news(page, script, second)
        expect(items).to_have_count(1)
        expect(items.get_by_role("link", name="web2", exact=True)).to_be_focused()


def test_a_link_among_the_events(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = script_of()
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(page.locator(".fleet-row")).to_have_count(2)
        script.say(told(happened(1, "unit.failed", "web1")))
        link = page.locator("#event-list li", has_text="number 1").get_by_role("link")
        link.focus()
        script.say(told(happened(2, "unit.failed", "web2")))
        expect(page.locator("#event-list li")).to_have_count(2)
        expect(link).to_be_focused()


def test_a_link_among_past_alerts_and_rules(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = script_of(alert("web1", "warning"))
    rule: Message = {
        "rule": "r",
        "source": "default",
        "severity": "warning",
        "machine": "*",
        "for_seconds": 0,
        "silent": False,
        "metric": "cpu.percent",
        "instance": "*",
        "comparison": ">",
        "threshold": 90,
        "clear": None,
        "firing": 1,
        "pending": 0,
    }
    script.rules = [rule]
    with fleet_page(browser, f"{dashboard_system.url}/?view=alerts", script) as page:
        expect(page.locator(".alert-card")).to_have_count(1)
        script.say(told(happened(1, "alert.firing", "web1")))
        link = page.locator("#alerts-past li", has_text="number 1").get_by_role("link", name="web1", exact=True)
        link.focus()
        script.say(told(happened(2, "alert.firing", "web2")))
        expect(page.locator("#alerts-past li")).to_have_count(2)
        expect(link).to_be_focused()
        link = page.locator("#alerts-rules").get_by_role("link", name="cpu.percent")
        link.focus()
        # The row says another number, and is made anew.
        script.rules = [rule | {"firing": 2}]
        script.say(told(happened(3, "alert.firing", "web2")))
        expect(page.locator("#alerts-rules td.some")).to_have_text("2")
        expect(link).to_be_focused()


def test_the_button_for_more_alerts(browser: Browser, dashboard_system: WholeSystem) -> None:
    alerts = [alert("web1", "warning") | {"rule": f"rule{number}", "metric": ""} for number in range(60)]
    script = script_of(*alerts)
    with fleet_page(browser, f"{dashboard_system.url}/?view=alerts", script) as page:
        button = page.get_by_role("button", name="and 10 more")
        button.focus()
        news(page, script, *alerts[:59])
        expect(page.get_by_role("button", name="and 9 more")).to_be_focused()
        assert page.evaluate(FOCUSED) == "and 9 more"


def test_presets_of_time(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, f"{dashboard_system.url}/?view=compare&with=web1", script_of()) as page:
        link = page.get_by_role("link", name="6h", exact=True)
        link.press("Enter")
        expect(link).to_have_attribute("aria-current", "true")
        expect(link).to_be_focused()


def test_choices_of_what_is_compared(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = script_of()
    with fleet_page(browser, f"{dashboard_system.url}/?view=compare&with=web1&with=web2", script) as page:
        link = page.get_by_role("link", name="Heat map")
        expect(link).to_be_visible()
        link.press("Enter")
        expect(link).to_have_attribute("aria-current", "true")
        expect(link).to_be_focused()
        # Another machine joins.
        script.say({"type": "machine", **entry("web3")})
        page.wait_for_timeout(4000)
        expect(link).to_be_focused()
        page.get_by_role("button", name="Without web1").press("Enter")
        expect(page.locator("#compare-chips li")).to_have_count(1)
        expect(page.get_by_role("button", name="Without web2")).to_be_focused()
