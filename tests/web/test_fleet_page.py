"""The list of machines in a real browser: what a row says, what is found, sorting, groups, keys."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import PHONE
from tests.web.scripted import HOSTILE
from tests.web.scripted_fleet import (
    METRICS,
    Script,
    alert,
    entry,
    expect_shown,
    fleet_page,
    query,
    row,
    rule,
    sample,
    shown,
    snapshot,
    some,
)
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser


def test_a_row_says_how_its_machine_is(browser: Browser, dashboard_system: WholeSystem) -> None:
    tags = ["prod", HOSTILE]
    machine = entry(
        "a", tags=tags, cpu=12.5, memory=33, disk=40, data=61, received=2048, sent=512, load=1.5, uptime=7200
    )
    script = Script([machine], [alert("a", "warning"), alert("a", "info")])
    with fleet_page(browser, dashboard_system.url, script) as page:
        one = row(page, "a")
        expect(one.locator(".cell-state")).to_have_text("up")
        expect(one.locator(".cell-alert")).to_have_text("2 warning")
        expect(one.locator(".cell-cpu b")).to_have_text("12.5%")
        expect(one.locator(".cell-memory b")).to_have_text("33.0%")
        expect(one.locator(".cell-disk")).to_have_text("61.0%/data")
        expect(one.locator(".cell-network")).to_contain_text("2 KiB/s")
        expect(one.locator(".cell-network")).to_contain_text("512 B/s")
        expect(one.locator(".cell-load")).to_have_text("1.50/ 4")
        expect(one.locator(".cell-uptime")).to_have_text("2 h")
        assert one.locator(".tags li").all_inner_texts() == tags
        assert page.locator("#content img").count() == 0
        script.say(sample("a", cpu=99))
        expect(one.locator(".cell-cpu b")).to_have_text("99.0%")
        expect(page).to_have_title("sysmonstm")


def test_meters_are_coloured_by_their_rules_and_marked_where_these_begin(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    rules = [
        rule("cpu.percent", 50),
        rule("filesystem.percent", 60, instance="/data"),
        rule("filesystem.percent", 80, "critical", machine="db-*"),
        rule("system.load1", 6, "critical"),
    ]
    machines = [entry("db-1", cpu=50, data=85, load=7), entry("web-1", cpu=51, data=85, load=2)]
    script = Script(machines, rules=rules)
    with fleet_page(browser, dashboard_system.url, script) as page:

        def meter(name: str, column: str) -> tuple[str | None, list[str]]:
            found = row(page, name).locator(f".cell-{column} .meter")
            marks: list[str] = found.locator("u").evaluate_all("marks => marks.map(mark => mark.style.left)")
            return found.get_attribute("data-level"), marks

        expect(row(page, "web-1").locator(".cell-cpu .meter")).to_have_attribute("data-level", "warning")
        assert meter("db-1", "cpu") == ("ok", ["50%"])
        assert meter("db-1", "disk") == ("critical", ["60%", "80%"])
        assert meter("web-1", "disk") == ("warning", ["60%"])
        assert meter("web-1", "memory") == ("ok", [])
        # Six of load are more than four processors hold: there is no place for a mark.
        assert meter("db-1", "load") == ("critical", [])
        script.rules = [rule("cpu.percent", 95)]
        script.say({"type": "rules", "since": time.time()})
        expect(row(page, "web-1").locator(".cell-cpu .meter")).to_have_attribute("data-level", "ok")
        assert meter("db-1", "cpu") == ("ok", ["95%"])


def test_traffic_has_a_meter_only_where_a_rule_is_about_it(browser: Browser, dashboard_system: WholeSystem) -> None:
    rules = [rule("network.received", 800, machine="a"), rule("network.sent", 400, "critical", machine="a")]
    script = Script([entry("a", received=500, sent=100), entry("b", received=1e9)], rules=rules)
    with fleet_page(browser, dashboard_system.url, script) as page:
        meter = row(page, "a").locator(".cell-network .meter")
        expect(meter).to_be_visible()
        expect(meter).to_have_attribute("data-level", "ok")
        expect(meter.locator("i")).to_have_attribute("style", "transform: scaleX(0.5);")
        expect(row(page, "b").locator(".cell-network .meter")).to_be_hidden()
        script.say(sample("a", received=900, sent=401))
        expect(meter).to_have_attribute("data-level", "critical")
        assert meter.locator("u").evaluate_all("marks => marks.map(mark => mark.style.left)") == ["80%"]
        script.rules = []
        script.say({"type": "rules", "since": time.time()})
        expect(meter).to_be_hidden()


@pytest.mark.expects("status of 503")
def test_without_alertd_meters_are_coloured_as_usual(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = Script([entry("a", cpu=85, memory=95, load=99)], rules=None)
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(row(page, "a").locator(".cell-cpu .meter")).to_have_attribute("data-level", "warning")
        expect(row(page, "a").locator(".cell-memory .meter")).to_have_attribute("data-level", "critical")
        expect(row(page, "a").locator(".cell-load .meter")).to_have_attribute("data-level", "ok")


def test_the_search_finds_names_tags_and_facts_and_is_kept_in_the_address_but_not_in_the_history(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    with fleet_page(browser, dashboard_system.url, some()) as page:
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        before = page.evaluate("history.length")
        for text, names in (("web1", ["web1", "web10"]), ("rack:4 NixOS", ["web1", "web2"]), ("debian", ["web10"])):
            page.locator("#fleet-search").fill("")
            page.locator("#fleet-search").press_sequentially(text)
            expect_shown(page, *names)
            expect(page.locator("#fleet-shown")).to_have_text(f"{len(names)} of 5 machines shown")
            assert query(page)["q"] == [text]
        assert page.evaluate("history.length") == before
        page.reload()
        expect_shown(page, "web10")
        expect(page.locator("#fleet-search")).to_have_value("debian")
        page.get_by_role("button", name="Clear filters").click()
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        expect(page.locator("#fleet-shown")).to_have_text("")
        assert query(page) == {}


def test_tags_states_alerts_and_reboots_are_filters_that_say_how_many_there_are(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    with fleet_page(browser, dashboard_system.url, some()) as page:
        chips = page.locator("#fleet-summary")
        expect(chips.locator("button")).to_have_text(
            [
                "up 3",
                "silent 1",
                "waiting 1",
                "critical 2 alerts on 1 machine",
                "warning 1 alert on 1 machine",
                "with alerts 2",
                "without alerts 3",
                "needs a reboot 1",
            ]
        )
        tags = page.locator("#fleet-tags")
        expect(tags.locator("button")).to_have_text(["prod 3", "rack:4 2", "rack:10 1", "staging 1"])
        tags.get_by_role("button", name="prod").click()
        expect_shown(page, "db1", "web1", "web10")
        expect(tags.locator("button")).to_have_text(["prod 3", "rack:4 1", "rack:10 1", "staging 0"])
        tags.get_by_role("button", name="rack:4").click()
        expect_shown(page, "web1")
        assert query(page) == {"tag": ["prod", "rack:4"]}
        expect(tags.get_by_role("button", name="prod")).to_have_attribute("aria-pressed", "true")
        tags.get_by_role("button", name="rack:4").click()
        chips.get_by_role("button", name="silent").click()
        expect_shown(page, "db1")
        chips.get_by_role("button", name="silent").click()
        tags.get_by_role("button", name="prod").click()
        chips.get_by_role("button", name="with alerts 2", exact=True).click()
        expect_shown(page, "web2", "web10")
        chips.get_by_role("button", name="without alerts 3").click()
        expect_shown(page, "db1", "new", "web1")
        assert query(page) == {"alert": ["none"]}
        chips.get_by_role("button", name="without alerts 3").click()
        assert query(page) == {}
        chips.get_by_role("button", name="critical 2 alerts on 1 machine").click()
        expect_shown(page, "web2")
        chips.get_by_role("button", name="needs a reboot").click()
        expect_shown(page, "web2")
        assert query(page) == {"alert": ["critical"], "reboot": ["needed"]}


def test_where_nothing_matches_it_says_so_and_shows_the_way_back(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    with fleet_page(browser, f"{dashboard_system.url}/?q=web&tag=nowhere", some()) as page:
        expect(page.locator("#fleet-nothing")).to_contain_text("No machine matches")
        expect(page.locator("#fleet-table")).to_be_hidden()
        expect(page.locator("#fleet-empty")).to_be_hidden()
        expect(page.get_by_role("button", name="nowhere")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Show all machines").click()
        expect_shown(page, "db1", "new", "web1", "web2", "web10")


def test_each_column_sorts_and_says_so(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, dashboard_system.url, some()) as page:
        head = page.locator("#fleet-head")
        expect(head.get_by_role("columnheader")).to_have_count(9)
        head.get_by_role("button", name="CPU").click()
        expect_shown(page, "web1", "web10", "web2", "db1", "new")
        expect(head.get_by_role("columnheader", name="CPU")).to_have_attribute("aria-sort", "descending")
        head.get_by_role("button", name="CPU").click()
        expect_shown(page, "web2", "web10", "web1", "db1", "new")
        expect(head.get_by_role("columnheader", name="CPU")).to_have_attribute("aria-sort", "ascending")
        assert query(page) == {"sort": ["cpu"]}
        head.get_by_role("button", name="State").click()
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        head.get_by_role("button", name="Alerts").click()
        expect_shown(page, "web2", "web10", "db1", "new", "web1")
        expect(head.locator("[aria-sort=none]")).to_have_count(8)


def test_a_phone_sorts_by_a_list(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, dashboard_system.url, some(), PHONE) as page:
        expect(page.locator("#fleet-head")).to_be_hidden()
        page.get_by_label("Sort").select_option("Memory")
        page.get_by_label("Sort").select_option("CPU")
        expect_shown(page, "web1", "web10", "web2", "db1", "new")
        page.get_by_role("button", name="Largest first").click()
        expect_shown(page, "web2", "web10", "web1", "db1", "new")


def test_machines_are_grouped_by_what_their_tags_begin_with(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, f"{dashboard_system.url}/?sort=cpu&order=down", some()) as page:
        page.get_by_label("Group").select_option("rack")
        expect(page.locator(".group-head")).to_have_text(["rack:42 machines", "rack:101 machine", "Others2 machines"])
        assert shown(page) == ["web1", "web2", "web10", "db1", "new"]
        assert query(page)["group"] == ["rack"]
        page.reload()
        expect(page.locator(".group-head")).to_have_count(3)
        page.get_by_label("Group").select_option("each tag")
        expect(page.locator(".group-head")).to_have_count(5)
        expect(row(page, "web1")).to_have_count(2)
        expect(row(page, "web1").locator(".cell-cpu b")).to_have_text(["70.0%", "70.0%"])


def test_a_silent_machine_is_plainly_so_and_counts_on(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = Script([entry("a", state="silent", silent=50), entry("b")])
    with fleet_page(browser, f"{dashboard_system.url}/?sort=state", script) as page:
        expect(row(page, "a").locator(".cell-state")).to_have_text(re.compile(r"silent 5\d s"))
        first = row(page, "a").locator(".cell-state").inner_text()
        expect(row(page, "a").locator(".cell-state")).not_to_have_text(first)
        script.say(
            {"type": "state", "machine": "b", "state": "silent"}, {"type": "state", "machine": "a", "state": "up"}
        )
        expect_shown(page, "b", "a")
        expect(page.locator("#fleet-summary")).to_have_text("up 1silent 1")


def test_the_keyboard_searches_goes_from_row_to_row_and_opens_one(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    with fleet_page(browser, dashboard_system.url, some()) as page:
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        page.keyboard.press("/")
        expect(page.locator("#fleet-search")).to_be_focused()
        page.keyboard.type("w/b")
        expect(page.locator("#fleet-nothing")).to_be_visible()
        page.keyboard.press("Escape")
        expect_shown(page, "db1", "new", "web1", "web2", "web10")
        page.keyboard.type("web")
        expect_shown(page, "web1", "web2", "web10")
        page.keyboard.press("ArrowDown")
        expect(row(page, "web1").get_by_role("link")).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("End")
        expect(row(page, "web10").get_by_role("link")).to_be_focused()
        page.keyboard.press("ArrowUp")
        expect(row(page, "web2").get_by_role("link")).to_be_focused()
        assert page.locator(".fleet-row a[tabindex='0']").count() == 1
        page.keyboard.press("Enter")
        expect(page.locator("h1#machine-name")).to_have_text("web2")
        page.go_back()
        expect_shown(page, "web1", "web2", "web10")
        expect(page.locator("#fleet-search")).to_have_value("web")


def test_it_asks_only_for_what_it_shows(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = some()
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(row(page, "web1").locator(".cell-cpu b")).to_have_text("70.0%")
        (address,) = script.opened
        assert parse_qs(urlsplit(address).query) == {"metrics": [",".join(METRICS)]}
        assert script.sent == []
        row(page, "web1").get_by_role("link").click()
        expect(page.locator("h1#machine-name")).to_have_text("web1")
        page.go_back()
        expect(row(page, "web1").locator(".cell-cpu b")).to_have_text("70.0%")
        assert [message["metrics"] for message in script.sent] == [None, METRICS]


def test_machines_that_no_page_has_asked_for_yet_are_loading_and_not_missing(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    script = Script([])
    with fleet_page(browser, f"{dashboard_system.url}/?view=alerts", script) as page:
        expect(page.locator("#alerts-none")).to_have_text("Nothing fires.")
        page.get_by_role("link", name="Machines", exact=True).click()
        expect(page.locator("#fleet-loading")).to_be_visible()
        page.wait_for_timeout(1500)
        expect(page.locator("#fleet-empty")).to_be_hidden()
        script.say(snapshot([entry("a")]))
        expect_shown(page, "a")
        expect(page.locator("#fleet-loading")).to_be_hidden()
