"""The menu of what a user may have otherwise."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.web.browsing import MACHINE_PAGE, Open


def choose(page: Page, label: str) -> None:
    """In the menu of settings."""
    page.locator("#settings summary").click()
    page.locator("#settings").get_by_text(label, exact=True).click()
    page.keyboard.press("Escape")
    expect(page.locator("#settings-choices")).to_be_hidden()


def test_the_theme_is_chosen_in_the_menu_and_remembered(open_page: Open) -> None:
    page = open_page(scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    choose(page, "Light")
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == light
    choose(page, "System")
    assert page.evaluate(background) == dark


def test_network_rates_are_read_in_bits_by_choice(open_page: Open) -> None:
    page = open_page(MACHINE_PAGE)
    rates = page.locator("[data-chart=network] .legend")
    expect(rates).to_contain_text(re.compile(r"B/s"))
    choose(page, "Bits")
    expect(rates).to_contain_text(re.compile(r"bit/s"))
    expect(page.locator("#machine-figures")).to_contain_text(re.compile(r"bit/s"))
    expect(page.locator("[data-chart=disk] .legend")).to_contain_text(re.compile(r"B/s"))
    page.reload()
    expect(rates).to_contain_text(re.compile(r"bit/s"))


def test_single_characters_are_no_keys_by_choice(open_page: Open) -> None:
    page = open_page("/")
    keys, search = page.locator("#keys"), page.get_by_label("Search names")
    choose(page, "Off")
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(keys).to_be_hidden()
    expect(search).not_to_be_focused()
    page.reload()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    choose(page, "On")
    page.keyboard.press("?")
    expect(keys).to_be_visible()


def test_times_are_read_in_utc_by_choice_which_the_address_keeps(open_page: Open) -> None:
    page = open_page("/?machine=this-machine&from=2026-11-30T06:00:00Z&to=2026-11-30T07:30:00Z&zone=utc")
    said = page.locator("#time-said")
    expect(said).to_have_text("2026-11-30 06:00 – 07:30 (1 h 30 min)")
    choose(page, "Local")
    assert "zone=" not in page.url
    choose(page, "UTC")
    assert page.url.endswith("zone=utc")
    # So is a page whose address does not say.
    page.goto(page.url.split("?")[0] + "?machine=this-machine")
    page.locator("#settings summary").click()
    expect(page.locator("#settings input[value=utc]")).to_be_checked()
