"""A spike of one sample is seen in a range whose buckets hide it from the mean, on every form of chart."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.web.browsing import DESKTOP, PATIENCE_MS, coloured_pixels
from tests.web.scripted import scripted_page
from tests.whole_system import WholeSystem

pytestmark = pytest.mark.browser

GIB = 2.0**30
BUCKETS, SAMPLES = 120, 500
MOUNTS = [f"/data{number}" for number in range(10)]
# Each series as it mostly is, and what one single sample of it is.
USUAL = {("memory.used", ""): 8 * GIB, ("memory.cached", ""): 4 * GIB, ("memory.total", ""): 64 * GIB}
USUAL |= {("cpu.core_percent", str(core)): 6.0 for core in range(4)}
USUAL |= {("filesystem.percent", mount): 10.0 + 2 * number for number, mount in enumerate(MOUNTS)}
SPIKES = {("memory.used", ""): 60 * GIB, ("cpu.core_percent", "2"): 100.0, ("filesystem.percent", "/data3"): 96.0}
SPIKE_BUCKET = 80


def downsampled(metric: str, instance: str) -> dict[str, object]:
    """Buckets of many equal samples and one that is not, as the gateway makes them."""
    usual = USUAL[metric, instance]
    spike = SPIKES.get((metric, instance), usual)
    low, mean, high = [usual] * BUCKETS, [usual] * BUCKETS, [usual] * BUCKETS
    samples = [usual] * (SAMPLES - 1) + [spike]
    low[SPIKE_BUCKET], high[SPIKE_BUCKET] = min(samples), max(samples)
    mean[SPIKE_BUCKET] = sum(samples) / len(samples)
    return {"instance": instance, "min": low, "mean": mean, "max": high}


def answer(route: Route) -> None:
    query = {name: value[0] for name, value in parse_qs(urlsplit(route.request.url).query).items()}
    start, end = float(query["from"]), float(query["to"])
    step = (end - start) / BUCKETS
    metric = query["metric"]
    of_one = [downsampled(metric, instance) for name, instance in USUAL if name == metric]
    series: Sequence[dict[str, object]] = of_one
    if "machines" in query:
        series = [{"machine": name} | one for name in query["machines"].split(",") for one in of_one]
    said = {"metric": metric, "unit": "bytes" if "memory" in metric else "percent", "kind": "gauge"}
    times = [start + step * number for number in range(BUCKETS)]
    measured = {"from": start, "to": end, "step_seconds": step, "tiers": [], "gaps": [], "times": times, "unknown": []}
    route.fulfill(json={**said, **measured, "machine": "odd", "first_seen": start - 60, "series": series})


def snapshot() -> dict[str, Any]:
    now = time.time()
    units = {"memory": "bytes"}
    nouns = {"cpu": "core", "filesystem": "mount"}
    layout = [
        {
            "metric": metric,
            "instance": instance,
            "unit": units.get(metric.split(".")[0], "percent"),
            "kind": "gauge",
            "instance_label": nouns.get(metric.split(".")[0], ""),
        }
        for metric, instance in USUAL
    ]
    seen = {"time": now, "received": now, "layout": "aa", "values": list(USUAL.values())}
    said = {"machine": "odd", "state": "up", "interval_seconds": 5, "agent_version": "1", "facts": {}}
    return {"type": "snapshot", "time": now, "live": True, "layouts": {"aa": layout}, "machines": [said | seen]}


def opened(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    context.route("**/history?*", answer)
    page = scripted_page(context, address, snapshot())
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


@pytest.fixture
def machine_page(browser: Browser, dashboard_system: WholeSystem) -> Iterator[Page]:
    """The charts of a year of one machine."""
    yield from opened(browser, f"{dashboard_system.url}/?machine=odd&last=1y")


def seen(page: Page, chart: str) -> None:
    figure = page.locator(f"[data-chart={chart}]")
    figure.scroll_into_view_if_needed()
    expect(figure.locator("canvas")).to_be_visible()
    expect(figure.locator(".chart-message")).to_have_attribute("data-state", "filled")
    page.wait_for_timeout(200)


def point_at(page: Page, chart: str, height: float) -> None:
    """Put the mouse on the bucket of the spike, at this share of the plot's height from above."""
    over = page.locator(f"[data-chart={chart}] .u-over")
    box = over.bounding_box()
    assert box is not None
    over.hover(position={"x": box["width"] * (SPIKE_BUCKET + 0.5) / BUCKETS, "y": box["height"] * height})


def test_a_stack_has_a_line_where_one_of_it_reached(machine_page: Page) -> None:
    seen(machine_page, "memory")
    # The total ends the axis, 8 % below its top: 60 of 64 GiB are far above the areas, which end at 12.
    assert coloured_pixels(machine_page, "memory", "series-1", 0.5, above=0.5) > 20
    assert coloured_pixels(machine_page, "memory", "series-1", 0.75, above=0.5) == 0
    used = machine_page.locator("[data-chart=memory] .entry").filter(has_text="used")
    expect(used).to_have_text("used8 GiBmax 60 GiB")
    point_at(machine_page, "memory", 0.9)
    expect(used).to_have_text("used8.10 GiBmax 60 GiB")


def test_a_cell_of_a_heat_map_has_the_colour_of_its_greatest_reading_and_says_so(machine_page: Page) -> None:
    seen(machine_page, "cores")
    assert coloured_pixels(machine_page, "cores", "heat", 0.6) > 20
    assert coloured_pixels(machine_page, "cores", "heat", 0.75) == 0
    point_at(machine_page, "cores", 0.5)
    expect(machine_page.locator("[data-chart=cores] .legend")).to_have_text(
        "busiest: core 2 at 6.2%, at most 100%; cells show the greatest reading of each 3 d 1 h"
    )


def test_many_lines_have_what_they_reach_together_and_a_band_for_the_one_that_is_pointed_at(
    machine_page: Page,
) -> None:
    seen(machine_page, "filesystem")
    assert coloured_pixels(machine_page, "filesystem", "ink-soft", 0.6, above=0.5) > 20
    assert coloured_pixels(machine_page, "filesystem", "ink-soft", 0.75, above=0.5) == 0
    expect(machine_page.locator("[data-chart=filesystem] .legend")).to_contain_text("thin line: the greatest of all")
    entry = machine_page.locator("[data-chart=filesystem] .entry").filter(has_text="/data3")
    expect(entry).to_contain_text("max 96.0%")
    # Near the peak it is the line which has it that is meant, however far away its mean is.
    point_at(machine_page, "filesystem", 0.05)
    expect(entry).to_have_class(re.compile("meant"))
    expect(machine_page.locator("[data-chart=filesystem] .entry.meant")).to_have_count(1)
    entry.click()
    machine_page.mouse.move(0, 0)
    expect(entry).to_have_attribute("aria-pressed", "false")
    machine_page.wait_for_timeout(200)
    assert coloured_pixels(machine_page, "filesystem", "ink-soft", 0.6, above=0.5) == 0


@pytest.mark.parametrize("shape", ["lines", "heat"])
def test_a_comparison_shows_it_too(browser: Browser, dashboard_system: WholeSystem, shape: str) -> None:
    address = f"{dashboard_system.url}/?view=compare&metric=filesystem.percent&as={shape}&last=1y"
    for page in opened(browser, address):
        expect(page.locator("#compare-list tr")).to_have_count(10)
        notes = page.locator("#compare-notes")
        if shape == "heat":
            expect(notes).to_contain_text("Each cell has the colour of the greatest reading of its 3 d 1 h.")
            page.wait_for_timeout(300)
            # 96 of 100 is not quite the fullest colour.
            point_at(page, "compare", 0.65)
            expect(page.locator(".cursor-note")).to_contain_text("at most 96.0%")
        else:
            expect(notes).to_contain_text("The thin line above is the greatest single reading of all lines")
            page.wait_for_timeout(300)
            assert coloured_pixels(page, "compare", "ink-soft", 0.6, above=0.5) > 20
            point_at(page, "compare", 0.05)
            expect(page.locator(".cursor-note b")).to_have_text("/data3")
            expect(page.locator(".cursor-note")).to_contain_text("at most 96.0%")
