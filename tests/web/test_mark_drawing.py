"""How marks are drawn where there is little room, on screens of two pixels for one, and where a clock is off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.web.scripted import machine, scripted_page, snapshot
from tests.whole_system import WholeSystem, eventually

# Nobody knows the machine but the test.
pytestmark = [pytest.mark.browser, pytest.mark.expects("status of 404")]

SHOWN_SECONDS = 300
LANE = 16
# From the right end of the plot to that of the canvas.
BESIDE_PLOT = 26
# A machine whose clock is off is followed by its own, so that nothing moves while no sample comes.
AHEAD = -1800.0

# Runs of a colour of the style sheet in a row of a chart's canvas, in CSS pixels: the row from the top of the plot,
# what is found from its left end.
RUNS = """([chart, token, y]) => {
    const figure = document.querySelector(`[data-chart="${chart}"]`);
    const canvas = figure.querySelector("canvas"), over = figure.querySelector(".u-over");
    const probe = document.body.appendChild(document.createElement("span"));
    probe.style.color = `var(--${token})`;
    const wanted = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
    probe.remove();
    const ratio = canvas.width / canvas.clientWidth;
    const row = Math.round((over.offsetTop + y) * ratio);
    const { data } = canvas.getContext("2d").getImageData(0, row, canvas.width, 1);
    const runs = [];
    let from = -1;
    for (let at = 0; at <= canvas.width; at += 1) {
        const is = at < canvas.width && data[at * 4 + 3] > 128
            && wanted.every((one, part) => Math.abs(data[at * 4 + part] - one) < 24);
        if (is && from < 0) from = at;
        if (!is && from >= 0) {
            runs.push([from / ratio - over.offsetLeft, at / ratio - over.offsetLeft]);
            from = -1;
        }
    }
    return runs;
}"""


class Drawn:
    """The page of a machine with these events, in pixels from the left end of the plot of its processor's chart."""

    def __init__(self, page: Page, events: list[dict[str, object]], present: float) -> None:
        self.page = page
        self._events = events
        self._present = present
        self.chart = page.locator("[data-chart=cpu]")
        expect(self.chart.locator("canvas")).to_be_visible()
        self.plot = self.chart.locator(".u-over")
        self.width = float(self.plot.evaluate("one => one.clientWidth"))

    def mark(self, *events: tuple[float, str, str], ahead: float = 0) -> None:
        """Show these alone: where, the kind, and the severity or the generation; by a clock that is so much ahead."""
        self._events[:] = [self._event(number, *event, ahead) for number, event in enumerate(events, 1)]
        self.page.reload()
        expect(self.chart).to_have_attribute("data-marked", str(len(events)))

    def _event(self, number: int, x: float, kind: str, what: str, ahead: float) -> dict[str, object]:
        activated = kind == "system.activated"
        moment = self._present - SHOWN_SECONDS * (1 - x / self.width) + ahead
        told = {"id": number, "time": moment, "kind": kind, "severity": "info" if activated else what}
        fields = {"generation": what} if activated else {}
        return told | {"machine": "odd", "message": f"number {number} " + "says it at length " * 20, "fields": fields}

    def runs(self, token: str, y: float) -> list[tuple[float, float]]:
        """Where there is this colour in a row, from the top of the plot: below 0 is the lane of heads."""
        return [(left, right) for left, right in self.page.evaluate(RUNS, ["cpu", token, y])]

    def flags(self) -> list[tuple[float, float]]:
        """Where flags begin and end: in their first row, above the labels."""
        return self.runs("ink", 2 - LANE)

    def point_at(self, x: float) -> Locator:
        """Move the mouse there; the note that is shown."""
        height = float(self.plot.evaluate("one => one.clientHeight"))
        self.plot.hover(position={"x": x, "y": height / 2})
        return self.chart.locator(".mark-note")


Open = Callable[[float], Drawn]


@pytest.fixture
def open_drawn(browser: Browser, dashboard_system: WholeSystem) -> Iterator[Open]:
    """Opens the page on a screen of so many pixels for one."""
    contexts = []

    def opened(ratio: float = 2) -> Drawn:
        context = browser.new_context(viewport={"width": 1600, "height": 900}, device_scale_factor=ratio)
        contexts.append(context)
        events: list[dict[str, object]] = []
        context.route("**/api/events?*", lambda route: route.fulfill(body=json.dumps({"events": events})))
        seen = machine("up", ahead=AHEAD)
        page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=5m", snapshot(seen))
        return Drawn(page, events, float(str(seen["time"])))

    yield opened
    for context in contexts:
        context.close()


FLAG = "system.activated"
FAILED = "unit.failed"


@pytest.mark.parametrize("ratio", [1, 2, 1.5])
def test_a_mark_lies_where_it_happened_on_every_screen(open_drawn: Open, ratio: float) -> None:
    drawn = open_drawn(ratio)
    drawn.mark((100, FLAG, "43"), (300, FAILED, "critical"))
    ((left, right),) = drawn.flags()
    assert left == pytest.approx(100, abs=1)
    # Two digits and what is left and right of them.
    assert 16 < right - left < 26
    (line,) = drawn.runs("critical", 40)
    assert line == pytest.approx((299.5, 301.5), abs=1)
    (head,) = drawn.runs("critical", -11)
    assert head == pytest.approx((295, 306), abs=1.5)
    # It ends where the plot does, and the lane has nothing above.
    assert drawn.runs("ink", 1 - LANE) == []


def test_a_label_does_not_run_over_the_next_mark(open_drawn: Open) -> None:
    drawn = open_drawn(2)
    flags = [(100.0, FLAG, "43"), (140.0, FLAG, "123456"), (160.0, FLAG, "44"), (280.0, FLAG, "45")]
    drawn.mark(*flags, (302, FAILED, "critical"))
    first, second, third, fourth = drawn.flags()
    assert 16 < first[1] - first[0] < 26
    assert second == pytest.approx((140, 147), abs=1), "there is no room for six digits"
    assert 16 < third[1] - third[0] < 26
    assert fourth == pytest.approx((280, 287), abs=1), "the triangle reaches to the left of its line"
    (triangle,) = drawn.runs("critical", -11)
    assert triangle[0] > fourth[1] + 4


def test_a_label_does_not_run_out_of_the_chart(open_drawn: Open) -> None:
    drawn = open_drawn(2)
    last = drawn.width - 2
    drawn.mark((last, FLAG, "123456"))
    assert drawn.flags() == [pytest.approx((last, last + 7), abs=1)]
    drawn.mark((last, FLAG, "43"))
    ((left, right),) = drawn.flags()
    assert 16 < right - left < 26
    assert right <= drawn.width + BESIDE_PLOT
    drawn.mark((drawn.width - 40, FLAG, "123456"))
    ((left, right),) = drawn.flags()
    assert 40 < right - left < 66


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_note_changes_sides_where_there_is_more_room(open_drawn: Open, ratio: float) -> None:
    drawn = open_drawn(ratio)
    drawn.mark((40, FAILED, "warning"), (drawn.width - 30, FAILED, "warning"))
    over = drawn.plot.bounding_box()
    figure = drawn.chart.bounding_box()
    assert over and figure
    for x, is_after in ((40, True), (drawn.width - 30, False)):
        note = drawn.point_at(x)
        expect(note).to_be_visible()
        box = note.bounding_box()
        assert box
        mark = over["x"] + x
        apart = box["x"] - mark if is_after else mark - box["x"] - box["width"]
        assert apart == pytest.approx(8, abs=2)
        assert box["x"] >= figure["x"]
        assert box["x"] + box["width"] <= figure["x"] + figure["width"]
        assert box["width"] <= 320, "it is so wide only because its sentence is long"


def test_what_the_hub_says_is_marked_by_the_clock_of_the_machine(open_drawn: Open) -> None:
    """Its own events lie where its clock says."""
    drawn = open_drawn(2)
    drawn.mark((200, "alert.firing", "critical"), ahead=-AHEAD)
    assert drawn.runs("critical", 40) == [pytest.approx((199.5, 201.5), abs=1)]
    drawn.mark((200, FAILED, "critical"))
    assert drawn.runs("critical", 40) == [pytest.approx((199.5, 201.5), abs=1)]


@pytest.mark.parametrize("ahead", [-1800.0, 1800.0])
def test_events_are_asked_for_since_the_charts_begin_by_either_clock(
    browser: Browser, dashboard_system: WholeSystem, ahead: float
) -> None:
    """The page learns of the machine's clock only after its first question."""
    context = browser.new_context()
    asked: list[float] = []

    def answer(route: Route) -> None:
        since = float(parse_qs(urlsplit(route.request.url).query)["from"][0])
        if since:
            asked.append(since)
        route.fulfill(json={"events": []})

    context.route("**/api/events?*", answer)
    seen = machine("up", ahead=ahead)
    page = scripted_page(context, f"{dashboard_system.url}/?machine=odd&last=5m", snapshot(seen))
    begin = min(float(str(seen["time"])), float(str(seen["received"]))) - SHOWN_SECONDS
    expect(page.locator("#machine-clock")).to_be_visible()
    eventually("it asks again", lambda: page.evaluate("1") and len(asked) > 1)
    assert asked[-1] == pytest.approx(begin, abs=10)
    context.close()
