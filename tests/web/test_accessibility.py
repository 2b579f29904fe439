"""axe-core finds nothing on any page that would keep somebody from using it: WCAG at level AA, and good practice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.browsing import DESKTOP, MACHINE, MACHINE_PAGE, PHONE, Open, Scheme, see_all_charts

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"

pytestmark = pytest.mark.browser


def violations(page: Page) -> list[str]:
    """Each rule that is broken, and where."""
    if not AXE.exists():
        pytest.skip("there is no axe-core in web/node_modules; `.ci/setup test` installs it")
    # The page's own policy lets no script in; what is evaluated by the browser's driver is not asked for it.
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document)")
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {'; '.join(node['html'][:120] for node in one['nodes'][:3])}"
        for one in found["violations"]
    ]


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


@pytest.mark.parametrize("menu", ["settings", "time-custom"])
def test_the_menus_can_be_used_by_everybody(open_page: Open, menu: str) -> None:
    page = open_page(MACHINE_PAGE, PHONE, "dark")
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
