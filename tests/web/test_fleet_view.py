"""The list of machines in a real browser: a thousand rows, tiles, narrow windows, and who cannot see it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.web.axe import violations
from tests.web.browsing import DESKTOP, NARROWEST, PHONE, Scheme
from tests.web.scripted_fleet import (
    Script,
    entry,
    expect_shown,
    fleet_page,
    query,
    row,
    rule,
    sample,
    some,
)
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser


def many(number: int) -> Script:
    return Script([entry(f"m{at}", tags=[f"rack:{at % 7}"]) for at in range(number)])


def test_of_a_thousand_machines_only_those_in_view_are_drawn(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, dashboard_system.url, many(1000)) as page:
        expect(page.locator(".fleet-row[data-machine]")).to_have_count(1000)
        expect(row(page, "m0").locator(".cell-cpu b")).to_have_text("10.0%")
        drawn = page.locator(".cell-cpu b")
        assert drawn.count() < 60
        page.mouse.move(700, 600)
        page.mouse.wheel(0, 20_000)
        expect(row(page, "m0").locator(".cell-cpu")).to_have_count(0)
        page.locator(".events").scroll_into_view_if_needed()
        expect(row(page, "m999").locator(".cell-cpu b")).to_have_text("10.0%")
        assert drawn.count() < 60
        page.keyboard.press("/")
        page.keyboard.type("m777")
        expect_shown(page, "m777")
        expect(row(page, "m777").locator(".cell-cpu b")).to_have_text("10.0%")


def test_rows_in_view_have_their_sparklines_from_one_question_a_metric(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    script = many(300)
    with fleet_page(browser, dashboard_system.url, script) as page:
        expect(row(page, "m0").locator(".cell-cpu .line")).to_have_attribute("d", re.compile(r"M\d\.\d 13\.8L"))
        asked = [parse_qs(urlsplit(url).query) for url in script.histories]
        assert sorted(one["metric"][0] for one in asked) == sorted(
            ["cpu.percent", "memory.percent", "filesystem.percent", "system.load1", "network.received", "network.sent"]
        )
        names = asked[0]["machines"][0].split(",")
        assert names[0] == "m0"
        assert 15 <= len(names) < 60
        assert all(one["machines"][0].split(",") == names for one in asked)
        page.locator(".events").scroll_into_view_if_needed()
        expect(row(page, "m299").locator(".cell-cpu .line")).to_have_attribute("d", re.compile(r"M\d\.\d 13\.8L"))
        assert len(script.histories) == 12


@pytest.mark.parametrize("path", ["/", "/?as=tiles"])
def test_the_fullest_disk_has_a_sparkline_whichever_disk_that_is(
    browser: Browser, dashboard_system: WholeSystem, path: str
) -> None:
    script = Script([entry("a", disk=80, data=10)], had={"filesystem.percent": {"/": 10, "/data": 50}})
    with fleet_page(browser, dashboard_system.url + path, script) as page:
        line = row(page, "a").locator(".cell-disk .line")
        # From history half of the height, then what comes live.
        expect(line).to_have_attribute("d", re.compile(r"M\d\.\d 12\.0L.* 5\.4$"))
        script.say(sample("a", disk=80, data=100))
        expect(line).to_have_attribute("d", re.compile(r" 5\.4L\S+ 1\.0$"))
        expect(row(page, "a").locator(".cell-disk .value")).to_have_text("100%/data")
        cell, drawn = (row(page, "a").locator(f".cell-disk{part}").bounding_box() for part in ("", " .spark"))
        assert cell is not None
        assert drawn is not None
        assert drawn["width"] > 40
        assert drawn["height"] > 10
        assert cell["x"] <= drawn["x"] and drawn["x"] + drawn["width"] <= cell["x"] + cell["width"]


@pytest.mark.parametrize("path", ["/", "/?as=tiles&group=rack", "/?q=nothing"])
@pytest.mark.parametrize(
    "size", [NARROWEST, (700, 800), (1220, 800), (1240, 800), DESKTOP], ids=lambda size: str(size[0])
)
def test_nothing_scrolls_sideways_or_is_cut_off(
    browser: Browser, dashboard_system: WholeSystem, path: str, size: tuple[int, int]
) -> None:
    script = some()
    script.machines += [entry(f"many{at}", tags=[f"quite-a-long-tag-{at}"]) for at in range(12)]
    script.machines += [entry("x" * 128, tags=["y" * 64, "z" * 64, "rack:" + "w" * 59], received=1e15, uptime=1e9)]
    script.machines.append(entry("a", uptime=86_340))
    script.rules = [rule("network.received", 2000)]
    with fleet_page(browser, dashboard_system.url + path, script, size) as page:
        expect(page.locator("#fleet-bar")).to_be_visible()
        if "nothing" not in path:
            expect(page.locator(".cell-network .meter").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        # What does not fit into a row would be cut off in silence.
        cut = """rows => rows.filter(
            row => row.scrollWidth > row.clientWidth || row.scrollHeight > row.clientHeight
        ).length"""
        assert page.locator(".fleet-row[data-machine], #fleet-head, .cell-uptime").evaluate_all(cut) == 0


def test_tiles_show_the_same_as_rows(browser: Browser, dashboard_system: WholeSystem) -> None:
    with fleet_page(browser, dashboard_system.url, many(1000)) as page:
        expect(row(page, "m0").locator(".cell-cpu b")).to_have_text("10.0%")
        page.get_by_role("button", name="Tiles").click()
        assert query(page) == {"as": ["tiles"]}
        places = page.locator(".fleet-row[data-machine]").evaluate_all(
            "rows => rows.slice(0, 5).map(row => row.offsetTop)"
        )
        assert len(set(places)) == 2
        page.locator(".fleet-row a").first.focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
            page.keyboard.press(key)
        expect(row(page, "m4").get_by_role("link")).to_be_focused()
        page.locator(".events").scroll_into_view_if_needed()
        expect(row(page, "m999").locator(".cell-uptime")).to_have_text("1 d")
        page.get_by_role("button", name="Rows").click()
        expect(page.locator("#fleet-head")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", ["/?group=rack&sort=cpu", "/?as=tiles&tag=prod", "/?q=nothing&tag=prod"])
def test_every_view_can_be_used_by_everybody(
    browser: Browser, dashboard_system: WholeSystem, path: str, size: tuple[int, int], scheme: Scheme
) -> None:
    script = some()
    script.rules = [rule("cpu.percent", 60), rule("memory.percent", 10, "critical")]
    with fleet_page(browser, dashboard_system.url + path, script, size, scheme) as page:
        expect(page.locator(".cell-cpu b, #fleet-nothing h2").locator("visible=true").first).to_be_visible()
        assert violations(page) == []
