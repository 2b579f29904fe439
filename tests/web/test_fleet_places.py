"""Where rows of the list stand while numbers change, in a real browser: sorted now and then, held under a hand."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import PATIENCE_MS
from tests.web.scripted_fleet import (
    entry,
    expect_shown,
    fleet_page,
    row,
    sample,
    shown,
    some,
)
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser


def test_rows_keep_their_places_while_someone_points_at_them(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = some()
    with fleet_page(browser, f"{dashboard_system.url}/?sort=cpu&order=down", script) as page:
        expect_shown(page, "web1", "web10", "web2", "db1", "new")
        row(page, "web10").hover()
        place = row(page, "web10").bounding_box()
        script.say(sample("web2", cpu=95))
        expect(row(page, "web2").locator(".cell-cpu b")).to_have_text("95.0%")
        expect(page.locator("#fleet-held")).to_be_visible(timeout=PATIENCE_MS)
        assert shown(page) == ["web1", "web10", "web2", "db1", "new"]
        assert row(page, "web10").bounding_box() == place, "not even by what says so"
        # A new one comes all the same, and one that is forgotten goes.
        script.say({"type": "machine", **entry("fresh", cpu=60)}, {"type": "forgotten", "machines": ["new"]})
        expect_shown(page, "web1", "fresh", "web10", "web2", "db1")
        page.mouse.move(5, 5)
        expect_shown(page, "web2", "web1", "fresh", "web10", "db1")
        expect(page.locator("#fleet-held")).to_be_hidden()
        # The keyboard is there as much as a mouse.
        page.locator("#fleet-search").press("ArrowDown")
        expect(row(page, "web2").get_by_role("link")).to_be_focused()
        script.say(sample("web1", cpu=99))
        expect(page.locator("#fleet-held")).to_be_visible(timeout=PATIENCE_MS)
        assert shown(page)[0] == "web2"
        page.locator("#fleet-search").focus()
        expect_shown(page, "web1", "web2", "fresh", "web10", "db1")


MINUTE_LATER = "() => { const now = performance.now.bind(performance); performance.now = () => now() + 61000; }"


@pytest.mark.parametrize("left", ["mouse", "focus"])
def test_a_mouse_or_a_focus_that_was_left_there_holds_nothing(
    browser: Browser, dashboard_system: WholeSystem, left: str
) -> None:
    script = some()
    with fleet_page(browser, f"{dashboard_system.url}/?sort=cpu&order=down", script) as page:
        if left == "mouse":
            row(page, "web10").hover()
        else:
            page.locator("#fleet-search").press("ArrowDown")
        script.say(sample("web2", cpu=95))
        expect(page.locator("#fleet-held")).to_be_visible(timeout=PATIENCE_MS)
        page.evaluate(MINUTE_LATER)
        expect_shown(page, "web2", "web1", "web10", "db1", "new")
        if left == "focus":
            # It has moved, and has the focus still.
            expect(row(page, "web1").get_by_role("link")).to_be_focused()


def test_a_click_that_opens_a_machine_elsewhere_holds_nothing(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = some()
    with fleet_page(browser, f"{dashboard_system.url}/?sort=cpu&order=down", script) as page:
        with page.context.expect_page():
            row(page, "web10").get_by_role("link").click(modifiers=["Control"])
        page.bring_to_front()
        page.mouse.move(5, 5)
        expect(row(page, "web10").get_by_role("link")).to_be_focused()
        script.say(sample("web2", cpu=95))
        expect_shown(page, "web2", "web1", "web10", "db1", "new")


def test_elements_are_put_in_order_and_those_in_place_are_not_touched(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    """Moving few matters: what is moved loses the focus, and is laid out again."""
    moved = """async ([before, after]) => {
        const { place } = await import("/static/js/page/place.js");
        const known = new Map([...before, ...after].map((name) => [name, document.createElement("i")]));
        const list = document.createElement("div");
        list.append(...before.map((name) => known.get(name)));
        let touched = 0;
        const insert = list.insertBefore.bind(list);
        list.insertBefore = (...both) => { touched += 1; return insert(...both); };
        place(list, after.map((name) => known.get(name)));
        const found = [...list.children].map((one) => [...known].find(([, element]) => element === one)[0]);
        return [found.join(""), touched];
    }"""
    with fleet_page(browser, dashboard_system.url, some()) as page:
        for before, after, moves in (
            ("abcd", "abcd", 0),
            ("abcd", "bcda", 1),
            ("abcd", "dabc", 1),
            ("abcd", "abxcd", 1),
            ("abcd", "bd", 0),
            ("abcd", "dcba", 3),
            ("", "ab", 2),
            ("abcdef", "bdfxace", 4),
        ):
            found, touched = page.evaluate(moved, [list(before), list(after)])
            assert found == after
            assert touched <= moves


def test_rows_are_sorted_again_only_now_and_then(browser: Browser, dashboard_system: WholeSystem) -> None:
    script = some()
    with fleet_page(browser, f"{dashboard_system.url}/?sort=cpu&order=down", script) as page:
        expect_shown(page, "web1", "web10", "web2", "db1", "new")
        page.evaluate(
            """() => {
                window.moves = 0;
                const count = (changes) => { if (changes.some((one) => one.addedNodes.length)) window.moves += 1; };
                for (const piece of document.querySelectorAll(".piece")) {
                    new MutationObserver(count).observe(piece, { childList: true });
                }
            }"""
        )
        began = time.monotonic()
        while time.monotonic() - began < 6:
            for name, cpu in (("web1", 80.0), ("web2", 20.0), ("web1", 20.0), ("web2", 80.0)):
                script.say(sample(name, cpu=cpu))
                page.wait_for_timeout(100)
        assert 1 <= page.evaluate("window.moves") <= 2
