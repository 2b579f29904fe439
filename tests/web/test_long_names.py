"""Long names of machines, mounts and tags: each has a line, and what tells it from others stays in sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web import scripted
from tests.web.axe import violations
from tests.web.browsing import DESKTOP, NARROWEST
from tests.web.scripted_fleet import Script, entry, fleet_page
from tests.whole_system import WholeSystem

# Of a machine that only the script knows there is no history.
pytestmark = [pytest.mark.browser, pytest.mark.expects("status of 404")]

MOUNT = "/srv/kubernetes/volumes/pvc-0b7e6a52-5a0c-4f3e-9d5e-2f0c8d3b7a11/mounted/of/the/database"
SIZES = pytest.mark.parametrize("size", [DESKTOP, NARROWEST], ids=["desktop", "phone"])


class LongNames(Script):
    """The machine has two file systems, whose metric is all it has."""

    def snapshot(self) -> dict[str, Any]:
        about = {"metric": "filesystem.percent", "instance_label": "mountpoint"}
        series = [scripted.SERIES | about | {"instance": mount} for mount in ("/", MOUNT)]
        return scripted.snapshot(*self.machines, series=series)


@contextmanager
def machine_page(
    browser: Browser, system: WholeSystem, size: tuple[int, int], tags: Sequence[str] = ()
) -> Iterator[Page]:
    script = LongNames([entry("odd", tags=tags) | {"values": [10, 95]}])
    with fleet_page(browser, f"{system.url}/?machine=odd&last=5m", script, size) as page:
        yield page


def height(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["height"]


@SIZES
def test_the_path_of_the_fullest_disk_has_one_line_and_its_whole_in_a_title(
    browser: Browser, dashboard_system: WholeSystem, size: tuple[int, int]
) -> None:
    with machine_page(browser, dashboard_system, size) as page:
        path = page.locator("#machine-figures small", has_text=MOUNT)
        expect(path).to_have_attribute("title", MOUNT)
        assert height(path) < 20
        expect(path).to_have_css("text-overflow", "ellipsis")


@SIZES
def test_a_long_name_in_a_legend_has_one_line_and_leaves_its_value_in_sight(
    browser: Browser, dashboard_system: WholeSystem, size: tuple[int, int]
) -> None:
    with machine_page(browser, dashboard_system, size) as page:
        legend = page.locator("[data-chart=filesystem] .legend")
        named = legend.locator(".entry", has_text=MOUNT)
        expect(named.locator("span")).to_have_attribute("title", MOUNT)
        expect(named.locator("b")).to_have_text("95.0%")
        assert height(named) < 30
        expect(named.locator("span")).to_have_css("text-align", "left")
        assert legend.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_many_tags_are_one_line_on_a_phone_whose_end_can_be_reached(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    many = [f"cluster-{number}:of-the-south-west" for number in range(16)]
    with machine_page(browser, dashboard_system, NARROWEST, many) as page:
        tags = page.locator("#machine-tags")
        expect(tags.locator("li")).to_have_text(many)
        assert height(tags) < 40
        assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0]
        assert violations(page) == []
        tags.focus()
        for _ in range(100):
            page.keyboard.press("ArrowRight")
        expect(tags.locator("li").last).to_be_in_viewport(ratio=1)
