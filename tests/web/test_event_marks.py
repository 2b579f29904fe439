"""Events as marks on the charts of a machine, and its tags, in a real browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from redis import Redis

from sysmonstm import bus
from tests.web.browsing import (
    MACHINE,
    MACHINE_PAGE,
    NARROWEST,
    PATIENCE_MS,
    TAGS,
    Open,
    Watched,
    coloured_pixels,
)
from tests.web.scripted import HOSTILE, machine, scripted_page, snapshot
from tests.whole_system import WholeSystem, eventually

pytestmark = pytest.mark.browser

SHOWN_SECONDS = 300
ACTIVATED = "generation 43 was activated, after 42"


class Teller:
    """Stores events, and publishes them, as an aggregator does."""

    def __init__(self, system: WholeSystem) -> None:
        self.system = system
        address = f"postgresql:///monitor?host={system.state}/postgres/run&user=monitor"
        self.database = psycopg.connect(address, autocommit=True)
        self.redis = Redis(unix_socket_path=str(system.state / "redis" / "redis.sock"))

    def close(self) -> None:
        self.database.close()
        self.redis.close()

    def store(
        self, message: str, ago: float, kind: str = "system.activated", severity: str = "info", **fields: str
    ) -> dict[str, object]:
        """It happened so many seconds ago and is told of only now, to those who ask; as /api/events has it."""
        moment = time.time() - ago
        row = self.database.execute(
            "INSERT INTO events (time, kind, severity, machine, message, fields)"
            " VALUES (to_timestamp(%s), %s, %s, %s, %s, %s) RETURNING id",
            (moment, kind, severity, MACHINE, message, json.dumps(fields)),
        ).fetchone()
        assert row is not None
        what = {"id": row[0], "time": moment, "kind": kind, "severity": severity}
        return what | {"machine": MACHINE, "message": message, "fields": fields}

    def publish(self, event: dict[str, object]) -> None:
        self.redis.publish(bus.EVENTS, json.dumps(event))

    def stored(self, seconds: float = SHOWN_SECONDS) -> int:
        """How many events of the machine there are in the last seconds."""
        asked = f"/api/events?machine={MACHINE}&from={time.time() - seconds:.3f}&limit=1000"
        return len(self.system.get(asked)["events"])


@pytest.fixture
def teller(dashboard_system: WholeSystem) -> Iterator[Teller]:
    telling = Teller(dashboard_system)
    yield telling
    telling.database.execute("DELETE FROM events WHERE machine = %s", (MACHINE,))
    telling.close()


def marks_what_is_stored(page: Page, teller: Teller, seconds: float = SHOWN_SECONDS) -> None:
    """Every chart marks as many events as there are; one is drawn only while it is in view."""
    for chart in page.locator("[data-chart]").all():
        chart.scroll_into_view_if_needed()
        expect(chart.locator("canvas")).to_be_visible()
        eventually(
            f"{chart} marks what is stored",
            lambda chart=chart: chart.get_attribute("data-marked") == str(teller.stored(seconds)),  # type: ignore[misc]
        )
    page.evaluate("scrollTo(0, 0)")


def place(event: dict[str, object]) -> float:
    """Where in the width of a plot an event lies now, from 0 to 1."""
    return 1 - (time.time() - float(str(event["time"]))) / SHOWN_SECONDS


def point_at(page: Page, chart: str, event: dict[str, object]) -> Locator:
    """Move the mouse to where an event is marked on a chart; the note that says what it is."""
    plot = page.locator(f'[data-chart="{chart}"] .u-over')
    box = plot.bounding_box()
    assert box is not None
    plot.hover(position={"x": box["width"] * place(event), "y": box["height"] / 2})
    return page.locator(f'[data-chart="{chart}"] .mark-note')


def test_an_event_from_before_the_page_was_opened_is_marked_on_every_chart_where_it_happened(
    open_page: Open, teller: Teller
) -> None:
    event = teller.store(ACTIVATED, 120, generation="43")
    teller.store("generation 42 was activated", SHOWN_SECONDS + 60, generation="42")
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    marks_what_is_stored(page, teller)
    charts = [chart.get_attribute("data-chart") for chart in page.locator("[data-chart]").all()]
    assert "cores" in charts and len(charts) > 5
    for chart in charts:
        assert coloured_pixels(page, str(chart), "ink", place(event) - 0.04) > 40, chart
        assert coloured_pixels(page, str(chart), "ink", place(event) + 0.04) == 0, chart
    expect(page.locator("#event-list")).to_contain_text("generation 42 was activated")


def test_an_event_that_is_told_of_live_and_late_is_marked_where_it_happened_and_listed_by_its_time(
    open_page: Open, teller: Teller
) -> None:
    newer = teller.store("generation 44 was activated, after 43", 60, generation="44")
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    marks_what_is_stored(page, teller)
    before = teller.stored()
    assert coloured_pixels(page, "memory", "ink", place(newer) + 0.04) == 0
    late = teller.store(ACTIVATED, 200, generation="43")
    teller.publish(late)
    teller.publish(teller.store("generation 41 was activated", SHOWN_SECONDS + 60))
    expect(page.locator("#event-list")).to_contain_text("generation 41 was activated")
    marks_what_is_stored(page, teller)
    assert teller.stored() > before
    past = coloured_pixels(page, "memory", "ink", place(late) - 0.04)
    assert past > coloured_pixels(page, "memory", "ink", place(newer) - 0.04) + 40
    words = page.locator('#event-list [data-kind="system.activated"] .event-message').all_inner_texts()
    assert words == ["generation 44 was activated, after 43", ACTIVATED, "generation 41 was activated"]


def test_the_sentence_is_said_where_the_cursor_is_and_on_no_other_chart(open_page: Open, teller: Teller) -> None:
    event = teller.store(ACTIVATED, 120, generation="43")
    failed = teller.store(f"{HOSTILE}.service has failed", 60, kind="unit.failed", severity="warning")
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    expect(page.locator('[data-chart="cpu"][data-marked]')).to_be_visible()
    note = point_at(page, "cpu", event)
    expect(note.locator("span")).to_have_text(ACTIVATED)
    expect(note).to_be_visible()
    expect(page.locator(".mark-note:visible")).to_have_count(1)
    expect(point_at(page, "cpu", failed).locator("span")).to_have_text(f"{HOSTILE}.service has failed")
    assert page.locator("#content img").count() == 0
    page.mouse.move(0, 0)
    expect(page.locator(".mark-note:visible")).to_have_count(0)


def test_keys_lead_from_event_to_event_whose_sentence_is_seen_and_spoken(open_page: Open, teller: Teller) -> None:
    teller.store(ACTIVATED, 120, generation="43")
    teller.store("nginx.service has failed", 60, kind="unit.failed", severity="warning")
    # Of what is live, marks would move on between two looks.
    begin, end = (datetime.fromtimestamp(time.time() - ago, UTC) for ago in (SHOWN_SECONDS, 0))
    page = open_page(f"/?machine={MACHINE}&from={begin:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}")
    expect(page.locator('[data-chart="cpu"][data-marked]')).to_be_visible()
    plot = page.locator("[data-chart=cpu] .plot")
    plot.focus()
    note, spoken = page.locator("[data-chart=cpu] .mark-note"), page.locator("[data-chart=cpu] [aria-live]")
    words = []
    # The newest first; other events of the machine lie between.
    for _ in range(12):
        page.keyboard.press("p")
        expect(note).to_be_visible()
        expect(spoken).to_contain_text(note.locator("span").last.inner_text())
        words.append(spoken.inner_text())
        if ACTIVATED in words[-1]:
            break
    assert any("nginx.service has failed" in one for one in words[:-1])
    expect(page.locator(".mark-note:visible")).to_have_count(1)
    page.keyboard.press("n")
    expect(spoken).not_to_contain_text(ACTIVATED)
    # A mouse elsewhere says more than a focus that was left.
    page.locator("[data-chart=memory] .u-over").hover()
    expect(note).to_be_hidden()
    keys = re.compile(r"ArrowLeft .* N P ")
    expect(plot).to_have_attribute("aria-keyshortcuts", keys)
    expect(plot).to_have_accessible_description(re.compile(r"N and P go to the next event"))


def test_a_longer_range_marks_what_lies_in_it(open_page: Open, teller: Teller) -> None:
    teller.store(ACTIVATED, SHOWN_SECONDS + 60, generation="43")
    # More than the list shows.
    for number in range(40):
        teller.store(f"number {number}", 30 + number, kind="unit.failed", severity="warning")
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    marks_what_is_stored(page, teller)
    page.get_by_role("link", name="15m").click()
    marks_what_is_stored(page, teller, 900)
    assert teller.stored(900) > teller.stored()
    said = re.compile(r"CPU, [0-9]+ events? marked")
    expect(page.locator("[data-chart=cpu] .plot")).to_have_attribute("aria-label", said)


def test_what_happened_while_the_gateway_was_away_is_marked_afterwards(
    open_page: Open, dashboard_system: WholeSystem, teller: Teller, watched: Watched
) -> None:
    page = open_page(MACHINE_PAGE)
    expect(page.locator("[data-chart=cpu] canvas")).to_be_visible()
    marks_what_is_stored(page, teller)
    teller.store(ACTIVATED, 30, generation="43")
    dashboard_system.kill("gatewayd")
    expect(page.locator("#event-list")).to_contain_text(ACTIVATED, timeout=PATIENCE_MS)
    marks_what_is_stored(page, teller)
    # The browser itself complains of what it could not reach meanwhile.
    watched.complaints = [one for one in watched.complaints if "asked elsewhere" in one]


@pytest.mark.expects("status of 404")
def test_very_many_events_are_bounded_said_so_and_listed_on_demand(
    browser: Browser, dashboard_system: WholeSystem
) -> None:
    now = time.time()

    def event(number: int) -> dict[str, object]:
        told = {"kind": "unit.failed", "severity": "warning", "machine": "odd", "message": f"number {number}"}
        return {"id": number, "time": now - number / 2, "fields": {}, **told}

    context = browser.new_context()
    context.route(
        "**/api/events?*",
        lambda route: route.fulfill(json={"events": [event(number) for number in range(1, 501)]}),
    )
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=5m", snapshot(machine("up")))
    chart = page.locator("[data-chart=cpu]")
    expect(chart).to_have_attribute("data-marked", "500")
    expect(page.locator("#events-cut")).to_be_visible()
    items = page.locator("#event-list li")
    expect(items).to_have_count(30)
    page.get_by_role("button", name="and 470 more").click()
    expect(items).to_have_count(500)
    point_at(page, "cpu", event(50))
    expect(chart.locator(".mark-note .count").first).to_contain_text("events")
    expect(chart.locator(".mark-note p")).to_have_count(6)
    context.close()


def test_tags_are_beside_the_name_a_few_in_the_list_and_all_on_the_page(open_page: Open) -> None:
    page = open_page()
    expect(page.locator(f'[data-machine="{MACHINE}"] .tags li')).to_have_text([*TAGS[:2], "+2"])
    page.get_by_role("link", name=MACHINE).first.click()
    expect(page.locator("#machine-tags li")).to_have_text(list(TAGS))


@pytest.mark.expects("status of 404")
def test_tags_are_only_text_and_do_not_widen_the_page(browser: Browser, dashboard_system: WholeSystem) -> None:
    tags = [HOSTILE, *(f"a-rather-long-tag-{number}={'x' * 45}" for number in range(12))]
    context = browser.new_context(viewport={"width": NARROWEST[0], "height": NARROWEST[1]})
    for address, shown in (("/?machine=odd", "#machine-tags"), ("/", "[data-machine=odd] .tags")):
        said = snapshot(machine("up") | {"tags": tags})
        page = scripted_page(context, dashboard_system.url + address, said)
        expect(page.locator(f"{shown} li").first).to_have_text(HOSTILE)
        assert page.locator("#content img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0]
    context.close()
