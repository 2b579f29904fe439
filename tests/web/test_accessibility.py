"""axe-core finds nothing on any page that would keep somebody from using it: WCAG at level AA, and good practice."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.axe import violations
from tests.web.browsing import DESKTOP, MACHINE, MACHINE_PAGE, PHONE, Open, Prepare, Scheme, see_all_charts
from tests.web.scripted import machine, says, snapshot

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_fleet_can_be_used_by_everybody(open_page: Open, size: tuple[int, int], scheme: Scheme) -> None:
    page = open_page("/", size, scheme)
    expect(page.locator(f'[data-machine="{MACHINE}"] .cell-cpu b')).to_contain_text("%")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_machine_can_be_used_by_everybody(open_page: Open, size: tuple[int, int], scheme: Scheme) -> None:
    page = open_page(MACHINE_PAGE, size, scheme)
    see_all_charts(page)
    assert violations(page) == []


# History of a metric that nobody has, and sockets that are closed at once.
@pytest.mark.expects("status of 404")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("path", "prepare", "shown"),
    [
        ("/", says(), "#fleet-loading"),
        ("/", says(snapshot()), "#fleet-empty"),
        ("/", says(snapshot(), ends=True), "#link-banner"),
        (MACHINE_PAGE, says(snapshot()), "#machine-unknown"),
        ("/?q=nothing-is-called-so", says(snapshot(machine("up"))), "#fleet-nothing"),
        ("/?view=compare&metric=shop.none", says(snapshot(machine("up"))), "#compare-unknown"),
        ("/?view=alerts", says(), "#alerts-none"),
    ],
    ids=["loading", "empty", "disconnected", "no such machine", "nothing found", "no such metric", "alerts"],
)
def test_what_is_not_there_is_said_to_everybody(
    open_page: Open, path: str, prepare: Prepare, shown: str, scheme: Scheme
) -> None:
    page = open_page(path, DESKTOP, scheme, prepare=prepare)
    expect(page.locator(shown)).to_be_visible()
    assert violations(page) == []


def test_a_page_that_lost_its_link_can_be_read_by_everybody(open_page: Open) -> None:
    """What is old is grey."""
    page = open_page("/", prepare=says(snapshot(machine("up")), ends=True))
    expect(page.locator("#link-banner")).to_contain_text("disconnected")
    expect(page.locator("[data-machine=odd]")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(
    ("path", "menu"),
    [
        (MACHINE_PAGE, "settings"),
        (MACHINE_PAGE, "time-custom"),
        ("/?view=compare", "compare-metric"),
        ("/?view=compare", "compare-machines"),
        ("/?view=alerts", "alerts-machine"),
    ],
)
def test_the_menus_can_be_used_by_everybody(open_page: Open, path: str, menu: str) -> None:
    page = open_page(path, PHONE, "dark")
    page.locator(f"#{menu} summary").click()
    expect(page.locator(f"#{menu} .menu-box")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(f"#{menu} .menu-box")).to_be_hidden()
    expect(page.locator(f"#{menu} summary")).to_be_focused()


def test_a_button_without_a_name_is_found(open_page: Open) -> None:
    page = open_page("/")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [one for one in violations(page) if one.startswith("button-name")]


def test_text_on_what_axe_cannot_see_is_looked_at(open_page: Open) -> None:
    page = open_page("/")
    faint = """() => {
        const made = document.createElement("p");
        made.textContent = "faint";
        made.style.cssText = "color: #bbb; background-image: linear-gradient(#fff, #eee)";
        document.querySelector("main").append(made);
    }"""
    page.evaluate(faint)
    assert [one for one in violations(page) if one.startswith("color-contrast of")]
