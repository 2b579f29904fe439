"""Long names of machines, mounts and tags: each has a line, and what tells it from others stays in sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.web import scripted
from tests.web.axe import violations
from tests.web.browsing import DESKTOP, NARROWEST
from tests.web.scripted_fleet import Script, entry, fleet_page, history_of
from tests.whole_system import WholeSystem

# Of a machine that only the script knows there is no history.
pytestmark = [pytest.mark.browser, pytest.mark.expects("status of 404")]

MOUNT = "/srv/kubernetes/volumes/pvc-0b7e6a52-5a0c-4f3e-9d5e-2f0c8d3b7a11/mounted/of/the/database"
SIZES = pytest.mark.parametrize("size", [DESKTOP, NARROWEST], ids=["desktop", "phone"])


class LongNames(Script):
    """Each machine has two file systems, whose metric is all it has."""

    def _history(self, route: Route) -> None:
        told = history_of(route.request.url, {})
        series = [one | {"instance": mount} for one in told["series"] for mount in ("/", MOUNT)]
        route.fulfill(json=told | {"series": series})

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


FQDN = "fileserver-04.backup.eu-central.example.com"


@contextmanager
def compare_page(browser: Browser, system: WholeSystem, size: tuple[int, int], shape: str) -> Iterator[Page]:
    """Two instances of a machine with a long name, silent for two minutes, and of one with a short name."""
    heard = {"values": [10, 95]}
    script = LongNames([entry(FQDN, state="silent", silent=125) | heard, entry("db1") | heard])
    address = f"{system.url}/?view=compare&metric=filesystem.percent&as={shape}&last=5m"
    with fleet_page(browser, address, script, size) as page:
        expect(page.locator("#compare-list tr")).to_have_count(4)
        yield page


def in_sight(part: Locator) -> bool:
    """Nothing of it is cut, neither by itself nor by what it lies in."""
    inside: bool = part.evaluate("""one => {
        const cell = one.closest("th, .cursor-note").getBoundingClientRect();
        return one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().right <= cell.right;
    }""")
    return inside


@SIZES
@pytest.mark.parametrize("shape", ["lines", "heat"])
def test_of_a_long_name_compare_keeps_the_instance_and_that_it_is_silent(
    browser: Browser, dashboard_system: WholeSystem, size: tuple[int, int], shape: str
) -> None:
    with compare_page(browser, dashboard_system, size, shape) as page:
        named = page.locator(f'#compare-list [data-key="{FQDN} /"] th')
        expect(named.locator(".silent")).to_have_text("silent 2 min")
        expect(named).to_have_attribute("title", f"{FQDN} /, silent 2 min")
        assert in_sight(named.locator("small").first)
        assert in_sight(named.locator(".silent"))
        assert not in_sight(named.locator("a"))
        assert in_sight(page.locator(f'#compare-list [data-key="{FQDN} {MOUNT}"] .silent'))
        expect(page.locator('#compare-list [data-key="db1 /"] th')).to_have_attribute("title", "db1 /")


@SIZES
def test_beside_the_heat_map_the_whole_name_of_a_row_is_a_title_and_at_the_cursor_the_instance_stays(
    browser: Browser, dashboard_system: WholeSystem, size: tuple[int, int]
) -> None:
    with compare_page(browser, dashboard_system, size, "heat") as page:
        chart = page.locator("[data-chart=compare]")
        beside, over = chart.locator(".u-axis").nth(1), chart.locator(".u-over")
        labels = ["db1 /", f"db1 {MOUNT}", f"{FQDN} /", f"{FQDN} {MOUNT}"]
        for row, label in enumerate(labels):
            beside.hover(position={"x": 20, "y": height(beside) * (row + 0.5) / len(labels)})
            expect(beside).to_have_attribute("title", label)
        over.hover(position={"x": 60, "y": height(over) * 2.5 / len(labels)})
        named = chart.locator(".cursor-note b")
        expect(named).to_have_text(f"{FQDN} /")
        assert in_sight(named.locator("span").last)
        over.hover(position={"x": 60, "y": height(over) * 3.5 / len(labels)})
        expect(named).to_have_text(f"{FQDN} {MOUNT}")
        assert named.locator("span").last.evaluate("one => one.clientWidth") > 60
