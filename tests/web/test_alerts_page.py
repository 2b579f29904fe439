"""The page of alerts: what fires, what may soon, what is past, and the rules; on alerts that really fire."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.web.axe import violations
from tests.web.browsing import (
    COUNT_PIXELS_ABOVE_0,
    DESKTOP,
    NARROWEST,
    PATIENCE_MS,
    PHONE,
    Open,
    Scheme,
    coloured_pixels,
)
from tests.web.scripted import HOSTILE
from tests.web.small_fleet import SmallFleet, small_fleet
from tests.whole_system import WholeSystem, eventually

pytestmark = pytest.mark.browser

PAGE = "/?view=alerts&last=5m"
# How many lines the text of an element takes.
LINES = """one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return range.getClientRects().length;
}"""


@pytest.fixture(scope="module")
def fleet(browser: Browser, server_directory: Path) -> Iterator[SmallFleet]:
    """It asks for the browser, so that it is not started for nothing. web2 and db1 fire, web1 is pending."""
    directory = server_directory / "alerts"
    directory.mkdir(mode=0o755)
    with small_fleet(directory) as running:
        running.set(web1=20, web2=70, db1=80)
        eventually("both alerts fire", lambda: len(firing(running.system)) == 2)
        yield running


@pytest.fixture(scope="module")
def dashboard_system(fleet: SmallFleet) -> WholeSystem:
    return fleet.system


def firing(system: WholeSystem) -> list[str]:
    """The machines whose queue is too long."""
    alerts = system.get("/api/alerts").get("alerts", [])
    return [one["machine"] for one in alerts if one["rule"] == "queue-long" and one["state"] == "firing"]


def cards(page: Page) -> Locator:
    """Those of the test's rule: a machine that is short of memory has others."""
    return page.locator("#alerts-firing .alert-card[data-rule=queue-long]")


def card(page: Page, machine: str) -> Locator:
    return cards(page).filter(has=page.get_by_role("link", name=machine, exact=True))


def test_what_fires_says_who_why_since_when_and_shows_its_chart_with_the_threshold(open_page: Open) -> None:
    page = open_page(PAGE)
    one = card(page, "db1")
    expect(one.locator(".severity")).to_have_text("critical")
    expect(one.locator(".alert-message")).to_have_text("the queue of db1 has 80 orders")
    expect(one.locator("dd").nth(0)).to_have_text("80, above 60")
    expect(one.locator("dd").nth(1)).to_have_text(re.compile(r"^\d\d:\d\d:\d\d \(\d+ (s|min)\)$"))
    expect(one.locator("dd").nth(2)).to_have_text("queue-long")
    chart = page.locator("[data-chart=alert]")
    expect(chart.first).to_contain_text("shop.queue")
    # The threshold and the beginning are lines in the alert's colour, what was read is in the first of the series'.
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["alert", "series-1", 0.5])
    # Across the plot, which is more than the line that goes up at the beginning.
    assert coloured_pixels(page, "alert", "critical", 0) > 400
    one.get_by_role("link", name="db1", exact=True).click()
    expect(page.locator("h1#machine-name")).to_have_text("db1")
    assert page.url.endswith("/?machine=db1&last=5m")


def test_the_beginning_of_an_alert_is_a_click_away(open_page: Open) -> None:
    page = open_page(PAGE)
    card(page, "db1").get_by_title("Look at its beginning").click()
    page.wait_for_url("**from=*to=*")
    expect(page.locator("[data-chart=alert] canvas").first).to_be_visible()
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["alert", "critical", 0])


def test_its_value_and_how_long_it_has_fired_follow_live(open_page: Open, fleet: SmallFleet) -> None:
    page = open_page(PAGE)
    held = card(page, "db1").locator("dd").nth(1)
    before = held.inner_text()
    fleet.set(db1=88)
    expect(card(page, "db1").locator("dd").first).to_have_text("88, above 60")
    fleet.set(db1=80)
    expect(card(page, "db1").locator("dd").first).to_have_text("80, above 60")
    expect(held).not_to_have_text(before, timeout=70_000)


def test_what_comes_while_someone_drags_is_not_lost(open_page: Open) -> None:
    page = open_page(PAGE)
    chart = page.locator("[data-chart=alert]").first
    over = chart.locator(".u-over")
    expect(over).to_be_visible()
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 20, box["y"] + 20, steps=3)
    newest = chart.get_attribute("data-newest")
    page.wait_for_function("then => document.querySelector('[data-chart=alert]').dataset.newest > then", arg=newest)
    page.mouse.up()
    page.keyboard.up("Shift")


def test_a_chart_is_shown_and_hidden_by_its_button(open_page: Open) -> None:
    page = open_page(PAGE)
    button = card(page, "db1").get_by_role("button", name="Chart")
    shown = button.get_attribute("aria-expanded") == "true"
    assert card(page, "db1").locator("[data-chart=alert]").count() == int(shown)
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", str(not shown).lower())
    assert card(page, "db1").locator("[data-chart=alert]").count() == int(not shown)


def test_what_is_pending_says_when_it_fires(open_page: Open) -> None:
    page = open_page(PAGE)
    one = page.locator("#alerts-pending .alert-card[data-rule=queue-there]")
    expect(one.locator(".soon")).to_have_text(re.compile(r"^fires in 1 h 5\d min if it holds$"))
    expect(one.locator(".severity")).to_have_text("info")
    expect(one.locator("dd").first).to_have_text("20, above -1")


def test_an_alert_that_is_over_goes_and_is_history_and_one_that_fires_comes_live(
    open_page: Open, fleet: SmallFleet
) -> None:
    page = open_page(PAGE)
    past = page.locator("#alerts-past li", has_text="web2")
    expect(card(page, "web2")).to_have_count(1)
    fleet.set(web2=10)
    expect(card(page, "web2")).to_have_count(0, timeout=PATIENCE_MS)
    over = past.filter(has_text="the queue of web2 is short again").first
    expect(over).to_contain_text("resolved")
    expect(over.locator(".severity")).to_have_text("critical")
    expect(over.locator(".lasted")).to_have_text(re.compile(r"^lasted \d+ (s|min)$"))
    fleet.set(web2=70)
    expect(card(page, "web2")).to_have_count(1, timeout=PATIENCE_MS)
    expect(past.first).to_contain_text("fired")
    expect(past.first).to_contain_text("the queue of web2 has 70 orders")


def test_filters_are_kept_in_the_address_and_hold_for_all_of_the_page(open_page: Open) -> None:
    page = open_page(PAGE)
    expect(cards(page)).to_have_count(2)
    page.locator("#alerts-machine summary").click()
    page.keyboard.type("db1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(1)
    assert "on=db1" in page.url
    expect(page.locator("#alerts-firing-count")).to_have_text(re.compile(r"^1 of \d+$"))
    expect(page.locator("#alerts-past li", has_text="web2")).to_have_count(0)
    expect(page.locator("#alerts-past li", has_text="db1").first).to_be_visible()
    page.reload()
    expect(page.locator("#alerts-machine summary")).to_have_text("Machine: db1")
    page.get_by_label("Search alerts").fill("nothing like it")
    expect(page.locator("#alerts-none")).to_have_text(re.compile("none is among those that are chosen"))
    expect(page.locator("#alerts-past-said")).to_have_text(re.compile("looked through"))
    assert "q=nothing" in page.url
    page.get_by_role("button", name="Clear").click()
    expect(cards(page)).to_have_count(2)
    page.locator("#alerts-severity").get_by_role("link", name="info").click()
    expect(cards(page)).to_have_count(0)
    expect(page.locator("#alerts-pending .alert-card[data-rule=queue-there]")).to_have_count(1)
    assert "severity=info" in page.url
    page.go_back()
    expect(cards(page)).to_have_count(2)


def test_typing_leaves_no_step_that_back_leads_to(open_page: Open) -> None:
    page = open_page(PAGE)
    page.get_by_label("Search alerts").press_sequentially("queue")
    page.wait_for_url("**q=queue*")
    assert page.evaluate("history.length") == 2


def test_each_rule_is_a_sentence_with_its_source_and_how_many_fire(open_page: Open) -> None:
    page = open_page(PAGE)
    rule = page.locator("#alerts-rules tr[data-rule=queue-long]")
    expect(rule.locator("td").nth(1)).to_have_text("shop.queue above 60 at once; resolves at 50")
    expect(rule.locator("td").nth(2)).to_have_text("2")
    expect(rule.locator(".source")).to_have_text("rules file")
    default = page.locator("#alerts-rules tr[data-rule=memory-high]")
    expect(default.locator("td").nth(1)).to_have_text("memory.percent above 90% for 5 min; resolves at 85%")
    expect(default.locator(".source")).to_have_text("default")
    pending = page.locator("#alerts-rules tr[data-rule=queue-there]")
    expect(pending.locator("td").nth(1)).to_have_text("shop.queue on web1 above -1 for 2 h")
    expect(pending.locator("td").nth(3)).to_have_text("1")
    rule.get_by_role("link", name="shop.queue").click()
    expect(page.locator("#compare-list tr")).to_have_count(3)


def test_where_a_rule_is_from_is_not_broken_within_a_word(open_page: Open) -> None:
    """Its column is narrowest where the table still fits the page."""
    page = open_page(PAGE, (645, 1000))
    source = page.locator("#alerts-rules tr[data-rule=memory-high] .source")
    expect(source).to_have_text("default")
    assert source.evaluate(LINES) == 1


def test_rules_that_are_changed_are_there_by_themselves(open_page: Open, fleet: SmallFleet) -> None:
    page = open_page(PAGE)
    expect(page.locator("#alerts-rules tr[data-rule=queue-long]")).to_be_visible()
    added = '\n[rules.queue-huge]\nmetric = "shop.queue"\nthreshold = 1e9\n'
    before = fleet.rules.read_text()
    for text, there in ((before + added, 1), (before, 0)):
        fleet.rules.write_text(text)
        os.kill(fleet.system.pid("alertd"), signal.SIGHUP)
        expect(page.locator("#alerts-rules tr[data-rule=queue-huge]")).to_have_count(there, timeout=PATIENCE_MS)


def test_the_strip_of_another_page_leads_to_the_alert(open_page: Open) -> None:
    page = open_page("/")
    item = page.locator("#alert-list li", has_text="db1")
    item.get_by_role("link", name="critical: the alert and its chart").click()
    expect(cards(page)).to_have_count(1)
    assert page.url.endswith("/?view=alerts&on=db1&q=queue-long")
    expect(page.locator("#alerts-strip")).to_be_hidden()


@pytest.fixture
def many_past(fleet: SmallFleet) -> Iterator[int]:
    """So many alerts of an hour of 2024, some at the same moment."""
    address = f"postgresql:///monitor?host={fleet.system.state}/postgres/run&user=monitor"
    fields = {"severity": "warning", "rule": "old", "metric": "cpu.percent", "instance": "", "since": 1718863200.0}
    with psycopg.connect(address, autocommit=True) as database:
        for number in range(450):
            database.execute(
                "INSERT INTO events (time, kind, severity, machine, message, fields)"
                " VALUES (to_timestamp(%s), %s, 'warning', 'old1', %s, %s)",
                (1718863200 + number // 3, "alert.firing", f"old1: number {number}", json.dumps(fields)),
            )
        yield 450
        database.execute("DELETE FROM events WHERE machine = 'old1'")


def test_past_alerts_of_any_time_come_page_by_page_each_once(open_page: Open, many_past: int) -> None:
    page = open_page("/?view=alerts&from=2024-06-20T06:00:00Z&to=2024-06-20T07:00:00Z&zone=utc")
    items = page.locator("#alerts-past li")
    expect(items).to_have_count(50)
    expect(items.first).to_contain_text("old1: number 449")
    expect(items.first.locator("time")).to_have_text("2024-06-20 06:02")
    for _ in range(8):
        page.get_by_role("button", name="Earlier ones").click()
    expect(items).to_have_count(many_past)
    expect(page.get_by_role("button", name="Earlier ones")).to_be_hidden()
    assert len(set(items.evaluate_all("items => items.map(item => item.dataset.id)"))) == many_past
    page.get_by_label("Search alerts").fill("449 number")
    expect(items).to_have_count(1)


def answer_with_one_that_is_nearly_too_old(route: Route) -> None:
    fields = {"severity": "warning", "rule": "old", "metric": "cpu.percent", "instance": "", "since": 1718863200.0}
    about = {"kind": "alert.firing", "severity": "warning", "machine": "old1", "message": "old1: too much"}
    route.fulfill(json={"events": [{"id": 1, "time": time.time() - 294, "fields": fields, **about}]})


def test_past_alerts_leave_when_the_time_that_is_shown_has_moved_on(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route("**/api/events?*", answer_with_one_that_is_nearly_too_old)
    page.goto(dashboard_system.url + PAGE)
    item = page.locator("#alerts-past li", has_text="old1: too much")
    expect(item).to_be_visible(timeout=PATIENCE_MS)
    expect(item).to_be_hidden(timeout=PATIENCE_MS)
    page.context.close()


def away(route: Route) -> None:
    route.fulfill(status=503, json={"title": "away", "detail": "sysmon-alertd did not answer within 2 s"})


@pytest.mark.expects("status of 503")
def test_without_database_and_alertd_the_page_says_so_and_recovers(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    paths = ("**/api/alerts", "**/api/rules", "**/api/events?*", "**/api/history?*")
    for path in paths:
        page.route(path, away)
    page.goto(dashboard_system.url + PAGE)
    expect(page.locator("#alerts-none")).to_have_text(
        "Alerts cannot be read at the moment: sysmon-alertd did not answer within 2 s."
    )
    expect(page.locator("#alerts-past-said")).to_have_text(
        "Past alerts cannot be read: sysmon-alertd did not answer within 2 s. Trying again."
    )
    expect(page.locator("#alerts-rules-said")).to_have_text(
        "The rules cannot be read: sysmon-alertd did not answer within 2 s. Trying again."
    )
    for path in paths:
        page.unroute(path)
    expect(cards(page)).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator("#alerts-rules tr[data-rule=queue-long]")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#alerts-past li").first).to_be_visible(timeout=PATIENCE_MS)
    page.context.close()


@pytest.mark.expects("status of 503")
def test_what_fired_stays_while_the_database_is_away_and_that_is_said(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(dashboard_system.url + PAGE)
    expect(cards(page)).to_have_count(2)
    page.route("**/api/alerts", away)
    # Coming back to the tab is not needed: any event of an alert has it asked again, and so does a minute.
    dashboard_system.kill("gatewayd")
    expect(page.locator("#alerts-old")).to_be_visible(timeout=PATIENCE_MS)
    expect(cards(page)).to_have_count(2)
    page.context.close()


@pytest.mark.expects("status of 400")
def test_nothing_fires_and_an_alert_with_hostile_words_is_only_text(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    about = {"rule": HOSTILE, "severity": "critical", "state": "firing", "machine": HOSTILE, "metric": "cpu.percent"}
    value = {"instance": HOSTILE, "value": 2, "threshold": 1, "since": time.time() - 60, "message": HOSTILE}
    alerts: list[dict[str, object]] = [about | value, about | value | {"metric": "", "threshold": None, "rule": "b"}]
    page.route("**/api/alerts", lambda route: route.fulfill(json={"alerts": alerts}))
    page.goto(dashboard_system.url + PAGE)
    expect(page.locator("#alerts-firing .alert-card")).to_have_count(2)
    # Silence has no number that could be drawn.
    expect(page.locator("#alerts-firing .alert-card[data-rule=b]").get_by_role("button", name="Chart")).to_be_hidden()
    assert page.locator("#content img").count() == 0
    page.context.close()
    page = browser.new_context().new_page()
    page.route("**/api/alerts", lambda route: route.fulfill(json={"alerts": []}))
    page.goto(dashboard_system.url + PAGE)
    expect(page.locator("#alerts-none")).to_have_text("Nothing fires.")
    page.context.close()


def test_nothing_scrolls_sideways_at_360_pixels(open_page: Open) -> None:
    page = open_page(PAGE, NARROWEST)
    expect(cards(page)).to_have_count(2)
    expect(page.locator("#alerts-rules tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_can_be_used_by_everybody(open_page: Open, size: tuple[int, int], scheme: Scheme) -> None:
    page = open_page(PAGE, size, scheme)
    expect(cards(page)).to_have_count(2)
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["alert", "series-1", 0.5])
    expect(page.locator("#alerts-rules tr").first).to_be_visible()
    assert violations(page) == []
