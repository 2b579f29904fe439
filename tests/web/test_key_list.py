"""The list of keys: on every page, closed by Escape, and back to where one was."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.axe import violations
from tests.web.browsing import MACHINE_PAGE, PHONE, Open

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/", MACHINE_PAGE, "/?view=compare", "/?view=alerts"])
def test_a_question_mark_shows_it_and_escape_leads_back(open_page: Open, path: str) -> None:
    page = open_page(path)
    link = page.get_by_role("link", name="Compare", exact=True)
    link.focus()
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_hidden()
    page.keyboard.press("?")
    expect(keys).to_be_visible()
    assert page.evaluate("() => document.getElementById('keys').contains(document.activeElement)")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(link).to_be_focused()


def test_its_button_opens_it_and_a_click_beside_it_closes_it(open_page: Open) -> None:
    page = open_page("/")
    button = page.get_by_role("button", name="Keys")
    button.click()
    expect(page.locator("#keys")).to_be_visible()
    page.mouse.click(5, 400)
    expect(page.locator("#keys")).to_be_hidden()
    expect(button).to_be_focused()


def test_what_is_written_is_no_key(open_page: Open) -> None:
    page = open_page("/?view=alerts")
    page.keyboard.press("/")
    search = page.get_by_label("Search alerts")
    expect(search).to_be_focused()
    page.keyboard.type("what?/")
    expect(search).to_have_value("what?/")
    expect(page.locator("#keys")).to_be_hidden()


def test_it_has_room_on_a_phone(open_page: Open) -> None:
    page = open_page("/", PHONE)
    page.keyboard.press("?")
    box = page.locator("#keys").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE[0]
