"""The page that compares one metric of many machines, on real collectors and in a real browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web.axe import violations
from tests.web.browsing import (
    COUNT_PIXELS_ABOVE_0,
    DESKTOP,
    MACHINE,
    NARROWEST,
    PATIENCE_MS,
    PHONE,
    Open,
    Scheme,
    Watched,
    coloured_pixels,
    seconds_asked,
)
from tests.web.scripted import AWAY, database_away
from tests.web.small_fleet import QUEUE, SmallFleet, small_fleet
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

PAGE = f"/?view=compare&metric={QUEUE}&last=5m"


@pytest.fixture(scope="module")
def fleet(browser: Browser, server_directory: Path) -> Iterator[SmallFleet]:
    """It asks for the browser, so that it is not started for nothing."""
    directory = server_directory / "compare"
    directory.mkdir(mode=0o755)
    with small_fleet(directory) as running:
        running.set(web1=20, web2=40, db1=30)
        yield running


@pytest.fixture(scope="module")
def dashboard_system(fleet: SmallFleet) -> WholeSystem:
    return fleet.system


def rows(page: Page) -> Locator:
    return page.locator("#compare-list tr")


def names(page: Page) -> list[str]:
    return page.locator("#compare-list th a").all_inner_texts()


def series_colour(page: Page, machine: str) -> str:
    """The token of the colour that the list gives a machine."""
    return str(
        page.evaluate(
            """machine => {
                const row = document.querySelector(`#compare-list [data-key^="${machine} "]`);
                const wanted = row.querySelector(".swatch").style.background;
                const probe = document.body.appendChild(document.createElement("i"));
                const found = [1, 2, 3, 4, 5, 6, 7, 8].map(number => `series-${number}`).find(token => {
                    probe.style.color = `var(--${token})`;
                    return getComputedStyle(probe).color === wanted;
                });
                probe.remove();
                return found;
            }""",
            machine,
        )
    )


def drawn(page: Page, machine: str) -> bool:
    return coloured_pixels(page, "compare", series_colour(page, machine), 0.5) > 0


def wait_until_drawn(page: Page, machine: str) -> None:
    expect(page.locator(f'#compare-list [data-key^="{machine} "]')).to_be_visible()
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["compare", series_colour(page, machine), 0.5])


def test_machines_are_ranked_by_their_mean_each_with_its_numbers_and_a_line_in_its_colour(open_page: Open) -> None:
    page = open_page(PAGE)
    expect(rows(page)).to_have_count(3)
    assert names(page) == ["web2", "db1", "web1"]
    expect(rows(page).first.locator("td").nth(1)).to_have_text("40")
    for machine in ("web1", "web2", "db1"):
        wait_until_drawn(page, machine)
    assert len({series_colour(page, machine) for machine in ("web1", "web2", "db1")}) == 3
    expect(page.locator("#compare-notes")).to_have_text(f"{MACHINE} has no such metric in this time.")
    page.locator("#compare-list").get_by_role("link", name="db1").click()
    expect(page.locator("h1#machine-name")).to_have_text("db1")
    assert page.url.endswith("/?machine=db1&last=5m")


def test_what_comes_live_is_drawn_without_another_question(open_page: Open, fleet: SmallFleet) -> None:
    page = open_page(PAGE)
    wait_until_drawn(page, "web1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/history" in request.url else None)
    newest = page.locator('#compare-list [data-key^="web1 "] td').nth(1)
    fleet.set(web1=25)
    expect(newest).to_have_text("25")
    fleet.set(web1=20)
    expect(newest).to_have_text("20")
    assert asked == []


def test_the_metric_is_found_by_words_and_chosen_by_keys(open_page: Open) -> None:
    page = open_page(PAGE)
    page.locator("#compare-metric summary").click()
    page.keyboard.type("ran waited")
    options = page.locator("#compare-metric .found a")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("Tasks that ran or waited for a CPU or a disk, mean of a minute")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(4)
    assert "metric=system.load1" in page.url
    expect(page).to_have_title("system.load1 · Compare · sysmonstm")
    expect(page.locator("#compare-metric .menu-box")).to_be_hidden()
    page.go_back()
    expect(rows(page)).to_have_count(3)
    expect(page.locator("#compare-metric summary")).to_have_text(f"Metric: {QUEUE}")


def test_tags_and_machines_are_chosen_in_the_menu_and_taken_away_as_chips(open_page: Open) -> None:
    page = open_page(PAGE)
    expect(rows(page)).to_have_count(3)
    page.locator("#compare-machines summary").click()
    prod = page.locator("#compare-machines .chip", has_text="prod")
    expect(prod.locator("b")).to_have_text("2")
    prod.click()
    expect(rows(page)).to_have_count(2)
    assert sorted(names(page)) == ["db1", "web1"]
    assert page.url.endswith("&tag=prod&last=5m")
    expect(prod).to_have_attribute("aria-pressed", "true")
    page.locator("#compare-machines label", has_text="web2").locator("input").check()
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator("#compare-machines .menu-box")).to_be_hidden()
    page.get_by_role("button", name="Without the tag prod").click()
    expect(rows(page)).to_have_count(1)
    assert names(page) == ["web2"]
    page.get_by_role("button", name="Without web2").click()
    expect(page.locator("#compare-machines summary")).to_have_text("Machines: all 4 machines")


def test_one_instance_or_each_of_them(open_page: Open, dashboard_system: WholeSystem) -> None:
    page = open_page("/?view=compare&metric=cpu.core_percent&with=web1&with=db1&last=5m&top=50")
    machine = dashboard_system.machine("web1", "cpu.core_percent")
    assert machine is not None
    cores = sorted(machine["values"]["cpu.core_percent"])
    expect(rows(page)).to_have_count(2 * len(cores))
    choice = page.locator("#compare-instance")
    expect(page.locator("#compare-instance-noun")).to_have_text("core")
    choice.select_option(cores[0])
    expect(rows(page)).to_have_count(2)
    assert f"instance={cores[0]}" in page.url
    choice.select_option("")
    expect(rows(page)).to_have_count(2 * len(cores))


def test_only_the_top_are_drawn_and_the_rest_is_said(open_page: Open) -> None:
    page = open_page(f"{PAGE}&top=1")
    expect(rows(page)).to_have_count(1)
    assert names(page) == ["web2"]
    expect(page.locator("#compare-notes")).to_contain_text(
        "2 more not drawn: these are the 1 lines with the greatest mean in the time shown."
    )
    page.locator("#compare-top-choice").get_by_role("link", name="5", exact=True).click()
    expect(rows(page)).to_have_count(3)
    assert "top=5" in page.url


def test_a_click_on_a_row_hides_its_line_and_another_shows_it(open_page: Open) -> None:
    page = open_page(PAGE)
    wait_until_drawn(page, "web2")
    row = page.locator('#compare-list [data-key^="web2 "]')
    row.locator("td").nth(2).click()
    page.mouse.move(0, 0)
    expect(row.get_by_role("button")).to_have_attribute("aria-pressed", "false")
    assert not drawn(page, "web2") and drawn(page, "db1")
    row.get_by_role("button", name="Draw web2").press("Enter")
    expect(row.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    page.evaluate("document.activeElement.blur()")
    wait_until_drawn(page, "web2")


def test_pointing_at_a_row_or_reaching_it_by_keys_brings_its_line_out(open_page: Open) -> None:
    page = open_page(PAGE)
    for machine in ("web1", "web2", "db1"):
        wait_until_drawn(page, machine)
    page.locator('#compare-list [data-key^="web2 "]').hover()
    assert drawn(page, "web2") and not drawn(page, "db1")
    page.mouse.move(0, 0)
    assert drawn(page, "db1")
    page.locator("#compare-list").get_by_role("link", name="db1").focus()
    assert drawn(page, "db1") and not drawn(page, "web2")


def test_the_line_near_the_cursor_is_named_and_marked_in_the_list(open_page: Open) -> None:
    page = open_page(PAGE)
    wait_until_drawn(page, "web2")
    over = page.locator("[data-chart=compare] .u-over")
    box = over.bounding_box()
    assert box is not None
    # The axis ends 8 % above the greatest, which is 40: its line lies there.
    over.hover(position={"x": box["width"] - 6, "y": box["height"] * (1 - 40 / 43.2)})
    note = page.locator(".cursor-note")
    expect(note).to_contain_text("web2")
    expect(note.locator(".value")).to_have_text("40")
    expect(page.locator('#compare-list [data-key^="web2 "]')).to_have_class(re.compile("meant"))


def test_a_heat_map_has_a_row_for_each_series_and_says_what_lies_under_the_cursor(open_page: Open) -> None:
    page = open_page(f"{PAGE}&as=heat")
    expect(rows(page)).to_have_count(3)
    # The greatest value is the fullest colour, and its row is the uppermost.
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["compare", "heat", 0.5])
    expect(page.locator("#compare-scale-top")).to_have_text("40")
    over = page.locator("[data-chart=compare] .u-over")
    box = over.bounding_box()
    assert box is not None
    for place, (machine, value) in enumerate((("web2", "40"), ("db1", "30"), ("web1", "20"))):
        over.hover(position={"x": box["width"] - 6, "y": box["height"] * (place + 0.5) / 3})
        expect(page.locator(".cursor-note b")).to_have_text(machine)
        expect(page.locator(".cursor-note .value")).to_have_text(value)
        expect(page.locator(f'#compare-list [data-key^="{machine} "]')).to_have_class(re.compile("meant"))
    page.locator("#compare-shape").get_by_role("link", name="Lines").click()
    wait_until_drawn(page, "web2")


def test_up_and_down_move_from_row_to_row_of_a_heat_map_and_left_stays_in_it(open_page: Open) -> None:
    page = open_page(f"{PAGE}&as=heat")
    expect(rows(page)).to_have_count(3)
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["compare", "heat", 0.5])
    page.locator("[data-chart=compare] .plot").focus()
    spoken = page.locator("[data-chart=compare] [aria-live]")
    page.keyboard.press("ArrowDown")
    expect(spoken).to_have_text(re.compile("^web2, "))
    # At the newest moment some machine may have said nothing yet.
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(spoken).to_have_text(re.compile("^web2, 40,"))
    for key, machine, value in (("Down", "db1", 30), ("Down", "web1", 20), ("Up", "db1", 30)):
        page.keyboard.press(f"Arrow{key}")
        expect(spoken).to_have_text(re.compile(rf"^{machine}, {value},"))
        expect(page.locator(f'#compare-list [data-key^="{machine} "]')).to_have_class(re.compile("meant"))
    page.keyboard.press("ArrowLeft")
    expect(spoken).to_have_text(re.compile("^db1, 30,"))


def happened(fleet: SmallFleet, machine: str, kind: str, message: str, **fields: str) -> None:
    """It is stored as an aggregator does, a minute ago."""
    address = f"postgresql:///monitor?host={fleet.system.state}/postgres/run&user=monitor"
    with psycopg.connect(address, autocommit=True) as database:
        database.execute(
            "INSERT INTO events (time, kind, severity, machine, message, fields)"
            " VALUES (to_timestamp(%s), %s, 'info', %s, %s, %s)",
            (time.time() - 60, kind, machine, message, json.dumps(fields)),
        )


@pytest.mark.parametrize("shape", ["lines", "heat"])
def test_what_happened_to_the_systems_of_the_machines_that_are_drawn_is_marked(
    open_page: Open, fleet: SmallFleet, shape: str
) -> None:
    number = {"lines": "7", "heat": "8"}[shape]
    happened(fleet, "web1", "system.activated", f"generation {number} was activated", generation=number)
    # Neither of a machine that has no such metric, nor of what is told of often.
    happened(fleet, MACHINE, "system.activated", "generation 9 was activated", generation="9")
    happened(fleet, "web1", "unit.failed", "nginx.service has failed")
    # An hour: what passes while the page is opened is not a mark's width.
    page = open_page(f"{PAGE.replace('5m', '1h')}&with=web1&with=web2&as={shape}&with={MACHINE}")
    expect(rows(page)).to_have_count(2)
    chart = page.locator("[data-chart=compare]")
    expect(chart).to_have_attribute("data-marked", {"lines": "1", "heat": "2"}[shape])
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    chart.locator(".u-over").hover(position={"x": box["width"] * (1 - 70 / 3600), "y": 60})
    expect(chart.locator(".mark-note")).to_contain_text(f"web1: generation {number} was activated")


def test_percent_is_between_0_and_100_whatever_was_read(open_page: Open) -> None:
    page = open_page("/?view=compare&metric=memory.percent&as=heat&last=5m")
    expect(rows(page)).to_have_count(4)
    expect(page.locator("#compare-scale-top")).to_have_text("100%")


def test_another_time_is_asked_for_once_and_a_drag_chooses_a_part_of_it(open_page: Open) -> None:
    page = open_page(PAGE)
    wait_until_drawn(page, "web2")
    with page.expect_response(lambda answer: seconds_asked(answer.url) == pytest.approx(3600, abs=1)):
        page.get_by_role("link", name="1h").click()
    expect(rows(page)).to_have_count(3)
    box = page.locator("[data-chart=compare] .u-over").bounding_box()
    assert box is not None
    with page.expect_response(lambda answer: seconds_asked(answer.url) == pytest.approx(1800, rel=0.05)):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 120, steps=4)
        page.mouse.up()
    assert "from=" in page.url and "to=" in page.url


@pytest.mark.expects("status of 503")
def test_without_the_database_what_is_live_is_compared_and_history_is_asked_for_again(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route("**/api/history?*", database_away)
    page.goto(dashboard_system.url + PAGE)
    said = page.locator("[data-chart=compare] .chart-message")
    expect(said).to_have_text(f"History cannot be read: {AWAY}. Trying again.", timeout=PATIENCE_MS)
    expect(rows(page)).to_have_count(3, timeout=PATIENCE_MS)
    expect(rows(page).first.locator("td").nth(1)).to_have_text("40")
    page.unroute("**/api/history?*")
    expect(said).to_be_hidden(timeout=PATIENCE_MS)
    wait_until_drawn(page, "web2")
    page.context.close()


def test_an_unknown_metric_an_unknown_machine_and_a_tag_that_nobody_has_are_said(
    open_page: Open, watched: Watched
) -> None:
    page = open_page("/?view=compare&metric=%3Cimg%20src%3Dx%3E.odd")
    expect(page.locator("#compare-unknown")).to_contain_text("No machine has a metric called <img src=x>.odd")
    expect(page.locator("#link-text")).to_have_text("live")
    assert page.locator("#content img").count() == 0
    page = open_page(f"{PAGE}&with=gone&with=web1")
    expect(page.locator("#compare-notes")).to_have_text("No machine is called gone.")
    expect(rows(page)).to_have_count(1)
    assert names(page) == ["web1"]
    page = open_page(f"{PAGE}&tag=nobody")
    expect(page.locator("[data-chart=compare] .chart-message")).to_have_text("No machine has this tag.")
    page = open_page("/?view=compare&metric=cpu.percent&from=2024-06-20T06:00:00Z&to=2024-06-20T07:00:00Z")
    expect(page.locator("[data-chart=compare] .chart-message")).to_have_text("Nothing was recorded in this time.")
    # The browser says itself that there was no history of the first.
    watched.complaints = [one for one in watched.complaints if "404" not in one]


def test_a_chart_of_a_machine_leads_to_the_comparison_of_its_metric_in_the_same_time(open_page: Open) -> None:
    page = open_page("/?machine=web1&last=5m")
    chart = page.locator("[data-chart=load]")
    chart.hover()
    chart.get_by_role("link", name="Compare Load of all machines").click()
    expect(rows(page)).to_have_count(4)
    assert page.url.endswith("/?view=compare&metric=system.load1&last=5m")


@pytest.mark.parametrize("shape", ["lines", "heat"])
def test_nothing_scrolls_sideways_at_360_pixels(open_page: Open, shape: str) -> None:
    page = open_page(f"{PAGE}&as={shape}", NARROWEST)
    expect(rows(page)).to_have_count(3)
    page.locator("#compare-machines summary").click()
    expect(page.locator("#compare-machines .menu-box")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_can_be_used_by_everybody(open_page: Open, size: tuple[int, int], scheme: Scheme) -> None:
    page = open_page(f"{PAGE}&tag=prod", size, scheme)
    expect(rows(page)).to_have_count(2)
    for menu in ("#compare-metric", "#compare-machines"):
        page.locator(f"{menu} summary").click()
        expect(page.locator(f"{menu} .found li").first).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
    page.locator("#compare-shape").get_by_role("link", name="Heat map").click()
    page.wait_for_function(COUNT_PIXELS_ABOVE_0, arg=["compare", "heat", 0.5])
    assert violations(page) == []
