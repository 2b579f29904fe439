"""Pictures of every page on desktop and phone, light and dark, of a fleet with a story, for the README."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browsing import DESKTOP, PATIENCE_MS, PHONE, Scheme
from tests.web.pretend_fleet import FLEET, pretend_fleet
from tests.whole_system import WholeSystem, eventually, whole_system

# Pictures for the README: SYSMON_SCREENSHOTS=web/screenshots, and enough history for the ranges that they show.
GIVEN = os.environ.get("SYSMON_SCREENSHOTS")
DIRECTORY = Path(GIVEN) if GIVEN else Path(__file__).parents[1] / "output/screenshots"
HOURS = 6.0 if GIVEN else 0.3

# Each with what tells that it is drawn.
PAGES = {
    "fleet": ("/", '[data-machine="atlas"] .cell-cpu b'),
    "tiles": ("/?as=tiles&group=rack", '[data-machine="atlas"] .cell-cpu b'),
    "machine": ("/?machine=dione&last=1h", "[data-chart=cpu] canvas"),
    "compare": ("/?view=compare&metric=cpu.percent&last=1h", "#compare canvas"),
    "heat": ("/?view=compare&metric=memory.percent&as=heat&last=1h", "#compare canvas"),
    "alerts": ("/?view=alerts&last=1h", "#alerts-title"),
}
SIZES = {"": DESKTOP, "-phone": PHONE}
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")


@pytest.fixture(scope="module")
def fleet(browser: Browser, server_directory: Path) -> Iterator[WholeSystem]:
    """A system to which the fleet has told its past; it asks for the browser, so that it is not started for nothing."""
    with (
        whole_system(server_directory / "story", COLLECTOR_MACHINE_ID="hub") as running,
        pretend_fleet(running.aggregator, HOURS),
    ):
        for one in FLEET:
            eventually(f"{one.name} has told its past", partial(_is_live, running, one.name))
        if GIVEN:
            eventually("the one that says no more is silent", lambda: "silent" in _states(running, "machines"))
            eventually(
                "something fires", lambda: "firing" in [one["state"] for one in running.get("/api/alerts")["alerts"]]
            )
        yield running


def _is_live(system: WholeSystem, name: str) -> bool:
    machines = {one["machine"]: one["time"] for one in system.get("/api/machines")["machines"]}
    return bool(machines.get(name))


def _states(system: WholeSystem, what: str) -> list[str]:
    return [one["state"] for one in system.get(f"/api/{what}")[what]]


@pytest.mark.parametrize("name", PAGES)
def test_a_picture_is_made_of_the_page(browser: Browser, fleet: WholeSystem, name: str) -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    path, drawn = PAGES[name]
    for scheme in SCHEMES:
        for suffix, size in SIZES.items():
            context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(fleet.url + path)
            expect(page.locator(drawn).first).to_be_visible()
            # Those below the window load when they come into view.
            expect(page.locator(".chart-message").first).to_be_hidden(timeout=PATIENCE_MS)
            page.wait_for_timeout(1500)
            file = DIRECTORY / f"{name}{suffix}-{scheme}.png"
            page.screenshot(path=file)
            assert file.read_bytes()[16:24] == size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
            context.close()
