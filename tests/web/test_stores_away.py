"""Redis and PostgreSQL really end while pages are open: these say what is away, show the rest, and recover."""

from __future__ import annotations

import os
import re
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.web.browsing import MACHINE, MACHINE_PAGE, PATIENCE_MS, Open, Watched, newest
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

NEWER = "then => Number(document.querySelector('[data-chart=cpu]').dataset.newest) > then"


def live(page: Page) -> None:
    """It is not loaded anew from here on."""
    expect(page.locator("#link-text")).to_have_text("live")
    page.evaluate("() => { window.kept = true; }")


def still_there(page: Page) -> None:
    assert page.evaluate("() => window.kept"), "the page was loaded anew"


@pytest.fixture(autouse=True)
def _expected(watched: Watched) -> None:
    """The browser itself complains of each answer that says what is away."""
    watched.expects("status of 503")


def test_without_redis_pages_say_so_history_is_there_and_live_comes_back(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    fleet, machine = open_page("/"), open_page(MACHINE_PAGE)
    pages = (fleet, machine)
    for page in pages:
        live(page)
    expect(machine.locator("[data-chart=cpu] canvas")).to_be_visible()
    with dashboard_system.without("redis-server"):
        for page in pages:
            expect(page.locator("#link-banner")).to_have_text(re.compile(r"live data unavailable: .*Redis"))
            expect(page.locator("#link-text")).to_have_text("not live")
        expect(fleet.locator(f'[data-machine="{MACHINE}"] .cell-cpu b')).to_contain_text("%")
        # What was recorded can be looked at.
        with machine.expect_response(lambda answer: "/history?metric=cpu.percent" in answer.url) as answer:
            machine.get_by_role("link", name="1h", exact=True).click()
        assert answer.value.ok
        expect(machine.locator("[data-chart=cpu] .chart-message")).to_be_hidden()
        machine.get_by_role("link", name="5m", exact=True).click()
        then = newest(machine, "cpu")
    for page in pages:
        expect(page.locator("#link-text")).to_have_text("live", timeout=2 * PATIENCE_MS)
        expect(page.locator("#link-banner")).to_be_hidden()
    machine.wait_for_function(NEWER, arg=then, timeout=PATIENCE_MS)
    for page in pages:
        still_there(page)


def test_where_alerts_are_not_evaluated_every_page_says_so_until_they_are(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    pages = [open_page(path) for path in ("/", MACHINE_PAGE, "/?view=compare", "/?view=alerts")]
    for page in pages:
        live(page)
        expect(page.locator("#alerting-banner")).to_be_hidden(timeout=PATIENCE_MS)
    alertd = dashboard_system.pid("alertd")
    os.kill(alertd, signal.SIGSTOP)
    try:
        for page in pages:
            expect(page.locator("#alerting-banner")).to_have_text(
                "Alerts are not evaluated: sysmon-alertd did not answer within 2 s", timeout=PATIENCE_MS
            )
        expect(pages[-1].locator("#alerts-none")).to_have_text("Nothing fired when alerts were last evaluated.")
        # Its meters are coloured all the same, and have no marks, as nobody knows where the rules begin to hold.
        fresh = open_page("/")
        meter = fresh.locator(f'[data-machine="{MACHINE}"] .cell-memory .meter')
        expect(meter).to_have_attribute("data-level", re.compile("ok|warning|critical"))
        expect(meter.locator("u")).to_have_count(0)
    finally:
        os.kill(alertd, signal.SIGCONT)
    for page in (*pages, fresh):
        expect(page.locator("#alerting-banner")).to_be_hidden(timeout=PATIENCE_MS)
        expect(page.locator("#link-text")).to_have_text("live")
    expect(meter.locator("u")).not_to_have_count(0, timeout=PATIENCE_MS)
    expect(pages[-1].locator("#alerts-none")).to_have_text("Nothing fires.")


def test_without_the_database_live_goes_on_what_is_away_is_said_and_comes_back(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    machine = open_page(MACHINE_PAGE)
    live(machine)
    expect(machine.locator("[data-chart=cpu] canvas")).to_be_visible()
    with dashboard_system.without("postgres"):
        then = newest(machine, "cpu")
        machine.wait_for_function(NEWER, arg=then + 2)
        expect(machine.locator("#link-text")).to_have_text("live")
        machine.get_by_role("link", name="1h", exact=True).click()
        history = machine.locator("[data-chart=cpu] .chart-message")
        expect(history).to_have_text(re.compile("History cannot be read: PostgreSQL .*[.] Trying again[.]"))
        fleet, alerts = open_page("/"), open_page("/?view=alerts")
        for page in (fleet, alerts):
            live(page)
        expect(fleet.locator(f'[data-machine="{MACHINE}"] .cell-cpu b')).to_contain_text("%")
        expect(fleet.locator("#events-none")).to_have_text(
            re.compile("Past events cannot be read: PostgreSQL .*[.] Trying again[.]")
        )
        expect(fleet.locator("#alerts-unknown")).to_have_text(
            re.compile("Alerts cannot be read at the moment: PostgreSQL .*[.] Trying again[.]")
        )
        expect(alerts.locator("#alerts-past-said")).to_have_text(
            re.compile("Past alerts cannot be read: PostgreSQL .*[.] Trying again[.]")
        )
    expect(history).to_be_hidden(timeout=2 * PATIENCE_MS)
    expect(fleet.locator("#alerts-unknown")).to_be_hidden(timeout=PATIENCE_MS)
    expect(fleet.locator("#events-none")).not_to_contain_text("cannot be read", timeout=PATIENCE_MS)
    expect(alerts.locator("#alerts-past-said")).not_to_contain_text("cannot be read", timeout=PATIENCE_MS)
    for page in (machine, fleet, alerts):
        still_there(page)
