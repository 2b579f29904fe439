"""The dashboard in a real browser, on a whole system that shows this machine."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import (
    COUNT_PIXELS_ABOVE_0,
    MACHINE,
    MACHINE_PAGE,
    NARROWEST,
    PATIENCE_MS,
    Open,
    Watched,
    coloured_pixels,
    newest,
    seconds_asked,
    see_all_charts,
)
from tests.web.scripted import AWAY, database_away, frames, machine, scripted_page, snapshot
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser


def test_the_fleet_shows_this_machine_with_numbers_that_are_its_own(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    page = open_page()
    row = page.locator(f'[data-machine="{MACHINE}"]')
    expect(row.locator(".state")).to_have_text("up")
    expect(row.locator(".cell-cpu b")).to_contain_text("%")
    entry = dashboard_system.machine(MACHINE, "memory.percent")
    assert entry is not None
    shown = float(row.locator(".cell-memory b").inner_text().removesuffix("%"))
    assert shown == pytest.approx(entry["values"]["memory.percent"][""], abs=10)
    expect(page.locator("#fleet-summary")).to_contain_text("up 1")
    expect(page.locator("#event-list")).to_contain_text(MACHINE)


def test_a_click_on_a_machine_opens_its_charts_and_back_returns(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name=MACHINE).first.click()
    expect(page.locator("h1#machine-name")).to_have_text(MACHINE)
    assert page.url.endswith(f"/?machine={MACHINE}")
    for chart in ("cpu", "cores", "load", "memory", "disk", "filesystem", "network"):
        expect(page.locator(f'[data-chart="{chart}"]')).to_be_attached()
    page.go_back()
    expect(page.locator("#fleet-table")).to_be_visible()


def test_charts_are_filled_from_history_and_then_follow_what_is_live(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    before = time.time()
    dashboard_system.moves_on()
    # From a page that asks for no history: an answer that a page was left with can no longer be read.
    page = open_page("/")
    page.goto("about:blank")
    with page.expect_response(lambda answer: "/history?metric=cpu.percent" in answer.url) as answer:
        page.goto(dashboard_system.url + MACHINE_PAGE)
    history = answer.value.json()
    assert any(value is not None for value in history["series"][0]["mean"])
    first = newest(page, "cpu")
    assert first > before
    page.wait_for_function(
        "first => Number(document.querySelector('[data-chart=cpu]').dataset.newest) > first + 2", arg=first
    )
    # The newest twentieth of five minutes is 15 s: a few samples, each inside both scales.
    assert coloured_pixels(page, "cpu", "series-total", 0.95) > 0


def test_every_chart_of_the_layout_is_drawn_and_every_probe_named(
    open_page: Open, dashboard_system: WholeSystem
) -> None:
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    see_all_charts(page)
    values = dashboard_system.get(f"/api/machines/{MACHINE}/metrics")["metrics"]
    probes = next(one["values"] for one in values if one["metric"] == "probe.success")
    assert page.locator("#probe-list .probe-name").all_inner_texts() == [one["instance"] for one in probes]


def test_the_time_range_is_kept_in_the_address(open_page: Open) -> None:
    page = open_page(f"/?machine={MACHINE}")
    with page.expect_response(lambda answer: seconds_asked(answer.url) == pytest.approx(21600, abs=1)):
        page.get_by_role("link", name="6h").click()
    assert page.url.endswith(f"/?machine={MACHINE}&last=6h")
    page.reload()
    expect(page.locator("#ranges [aria-current]")).to_have_text("6h")


def test_a_hostile_name_in_the_address_is_only_text(open_page: Open) -> None:
    page = open_page("/?machine=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(page.locator("#machine-unknown")).to_be_visible()
    expect(page.locator("h1#machine-name")).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator("#content img").count() == 0


@pytest.mark.expects("status of 503")
def test_without_history_a_chart_says_so_shows_what_is_live_and_asks_again(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/history?*", database_away)
    page.goto(dashboard_system.url + MACHINE_PAGE)
    said = page.locator("[data-chart=cpu] .chart-message")
    expect(said).to_have_text(f"History cannot be read: {AWAY}. Trying again.", timeout=PATIENCE_MS)
    assert newest(page, "cpu") > time.time() - 30
    page.unroute("**/history?*")
    expect(said).to_be_hidden(timeout=PATIENCE_MS)
    context.close()


@pytest.mark.expects("status of 404")
@pytest.mark.parametrize(
    ("late", "ahead"), [(8, 0), (0, 600), (0, -1800)], ids=["late snapshot", "clock ahead", "clock behind"]
)
def test_the_newest_sample_is_inside_both_scales(
    browser: Browser, dashboard_system: WholeSystem, late: float, ahead: float
) -> None:
    live = frames((5, 40), (10, 45), (15, 50), ahead=ahead)
    messages = snapshot(machine("up", ahead=ahead), late=late), live
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd&last=5m", *messages)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["cpu", "series-total", 0.9], timeout=PATIENCE_MS)
    page.context.close()


@pytest.mark.expects("status of 404")
def test_a_clock_that_is_off_is_told(browser: Browser, dashboard_system: WholeSystem) -> None:
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd", snapshot(machine("up", ahead=630)))
    expect(page.locator("#machine-clock")).to_have_text("its clock is 10 min ahead")
    page.context.close()


@pytest.mark.expects("status of 404")
def test_a_machine_whose_clock_was_set_back_goes_on(browser: Browser, dashboard_system: WholeSystem) -> None:
    back = frames((5, 40), (10, 77), ahead=-900)
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd&last=5m", snapshot(machine("up")), back)
    expect(page.locator("#machine-figures b").first).to_have_text("77.0%")
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["cpu", "series-total", 0.9], timeout=PATIENCE_MS)
    assert newest(page, "cpu") < time.time() - 800
    page.context.close()


def test_an_empty_fleet_says_how_to_add_a_machine(browser: Browser, dashboard_system: WholeSystem) -> None:
    page = scripted_page(browser, dashboard_system.url, snapshot())
    command = "COLLECTOR_AGGREGATOR_URL=hub:50051 COLLECTOR_MACHINE_ID=my-laptop sysmon-collectord"
    expect(page.locator("#fleet-empty code").first).to_have_text(command)
    page.context.close()


@pytest.mark.expects("status of 404")
def test_a_forgotten_machine_leaves_the_page_without_a_reload(browser: Browser, dashboard_system: WholeSystem) -> None:
    gone: dict[str, object] = {"type": "forgotten", "machines": ["odd"]}
    page = scripted_page(browser, dashboard_system.url, snapshot(machine("up")), gone)
    expect(page.locator("#fleet-empty")).to_be_visible()
    expect(page.locator("[data-machine=odd]")).to_have_count(0)
    page.context.close()
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd", snapshot(machine("up")), gone)
    expect(page.locator("#machine-unknown")).to_be_visible()
    page.context.close()


@pytest.mark.expects("status of 404")
def test_a_silent_machine_says_for_how_long(browser: Browser, dashboard_system: WholeSystem) -> None:
    page = scripted_page(browser, dashboard_system.url, snapshot(machine("silent", 754)))
    expect(page.locator("[data-machine=odd] .state")).to_have_text("silent 12 min")
    page.context.close()


@pytest.mark.expects("status of 503")
def test_without_live_data_the_page_says_why(browser: Browser, dashboard_system: WholeSystem) -> None:
    away = {"type": "live", "live": False, "reason": "Redis does not answer"}
    page = scripted_page(browser, dashboard_system.url, snapshot(machine("up")), away)
    expect(page.locator("#link-banner")).to_contain_text("live data unavailable: Redis does not answer")
    page.context.close()


def test_alerts_name_their_machine_once_the_worst_first_and_all_on_demand(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    def alert(severity: str, number: int) -> dict[str, object]:
        about = {"rule": f"rule{number}", "machine": "odd", "metric": "cpu.percent", "instance": "", "threshold": 1}
        since = {"since": time.time() - 60, "value": 2, "message": f"odd: number {number}"}
        return {"severity": severity, "state": "firing", **about, **since}

    alerts = [alert("info", number) for number in range(8)] + [alert("critical", 8)]
    page = browser.new_context().new_page()
    page.route("**/api/alerts", lambda route: route.fulfill(json={"alerts": alerts}))
    page.goto(dashboard_system.url)
    items = page.locator("#alert-list li[data-severity]")
    expect(items).to_have_count(3)
    expect(items.first).to_contain_text("critical")
    assert items.first.inner_text().count("odd") == 1
    page.get_by_role("button", name="and 6 more").click()
    expect(items).to_have_count(9)
    page.context.close()


@pytest.mark.expects("status of 404")
def test_what_a_machine_says_of_itself_is_only_text(browser: Browser, dashboard_system: WholeSystem) -> None:
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd", snapshot(machine("up")))
    expect(page.locator("#machine-facts")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#content img").count() == 0
    page.context.close()


@pytest.mark.expects("status of 404")
def test_what_happens_on_a_machine_is_shown_live_as_text_and_by_its_severity(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    def happened(number: int, message: str, machine_name: str = "odd") -> dict[str, object]:
        kind = {"kind": "unit.failed", "severity": "warning", "fields": {"unit": "odd.service"}}
        return {
            "type": "event",
            "event": {"id": number, "time": 1.0, "machine": machine_name, "message": message, **kind},
        }

    hostile = "<img src=x onerror=alert(1)>.service has failed"
    news = [happened(2**53, hostile), happened(2**53 - 1, "odd.service has failed"), happened(2**53 - 2, "no", "other")]
    page = scripted_page(browser, f"{dashboard_system.url}/?machine=odd", snapshot(machine("up")), *news)
    items = page.locator('#event-list li[data-severity="warning"][data-kind="unit.failed"]')
    expect(items).to_have_count(2)
    expect(page.locator("#event-list")).to_contain_text(hostile)
    assert page.locator("#content img").count() == 0
    page.context.close()


def test_an_event_among_those_of_the_fleet_names_its_machine(browser: Browser, dashboard_system: WholeSystem) -> None:
    event = {"id": 2**53, "time": 1.0, "kind": "unit.failed", "severity": "warning", "machine": "odd", "fields": {}}
    news: dict[str, object] = {"type": "event", "event": event | {"message": "odd.service has failed"}}
    page = scripted_page(browser, dashboard_system.url, snapshot(machine("up")), news)
    item = page.locator('#event-list li[data-kind="unit.failed"]')
    expect(item.locator(".event-message")).to_have_text("odd: odd.service has failed")
    expect(item.get_by_role("link")).to_have_text("odd")
    page.context.close()


@pytest.mark.parametrize("path", ["/", MACHINE_PAGE])
def test_nothing_scrolls_sideways_at_360_pixels(open_page: Open, path: str) -> None:
    page = open_page(path, NARROWEST)
    expect(page.locator(".fleet-row[data-machine], [data-chart=cpu] canvas").first).to_be_visible()
    if path != "/":
        see_all_charts(page)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0]


def test_the_keyboard_reaches_and_opens_a_machine(open_page: Open) -> None:
    page = open_page()
    expect(page.locator(f'[data-machine="{MACHINE}"]')).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == MACHINE:
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1#machine-name")).to_have_text(MACHINE)


def test_a_page_says_that_it_is_disconnected_and_recovers_without_a_reload(
    open_page: Open, dashboard_system: WholeSystem, watched: Watched
) -> None:
    page = open_page(MACHINE_PAGE)
    expect(page.locator("#link-text")).to_have_text("live")
    page.evaluate(
        """() => {
            window.banners = [];
            const banner = document.getElementById("link-banner");
            const note = () => banner.hidden || window.banners.push(banner.innerText);
            new MutationObserver(note).observe(banner, {attributes: true, childList: true, subtree: true});
        }"""
    )
    first = newest(page, "cpu")
    dashboard_system.kill("gatewayd")
    page.wait_for_function("window.banners.some(text => text.includes('disconnected, retrying'))")
    expect(page.locator("#link-text")).to_have_text("live", timeout=PATIENCE_MS)
    expect(page.locator("#link-banner")).to_be_hidden()
    page.wait_for_function(
        "first => Number(document.querySelector('[data-chart=cpu]').dataset.newest) > first + 3", arg=first
    )
    assert page.evaluate("window.banners.length") > 0, "the page was loaded anew"
    # The browser itself complains of what it could not reach meanwhile.
    watched.complaints = [one for one in watched.complaints if "asked elsewhere" in one]
