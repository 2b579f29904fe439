"""How the browser tests open pages, and how they ask what a page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, expect

MACHINE = "this-machine"
TAGS = ("web", "prod", "rack:4", "eu-west")
MACHINE_PAGE = f"/?machine={MACHINE}&last=5m"
DESKTOP = (1440, 900)
PHONE = (390, 844)
NARROWEST = (360, 740)
PATIENCE_MS = 30_000

Scheme = Literal["light", "dark"]
Motion = Literal["reduce", "no-preference"]
Open = Callable[..., Page]
Prepare = Callable[[Page], object]


class Watched:
    """What pages did that they must not do: an error on the console, or a question to another origin than their own."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._expected: list[str] = []

    def expects(self, *fragments: str) -> None:
        """The browser itself complains of what a test does, in words that have one of these."""
        self._expected.extend(fragments)

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._asked)
        context.on("page", lambda page: page.on("websocket", lambda socket: self._connected(page, socket.url)))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(fragment in message.text for fragment in self._expected):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        # Where a test goes, it goes.
        if not request.is_navigation_request():
            self._compare(request.frame.url, request.url)

    def _connected(self, page: Page, address: str) -> None:
        self._compare(page.url, address.replace("ws", "http", 1))

    def _compare(self, page: str, asked: str) -> None:
        if urlsplit(page)[:2] != urlsplit(asked)[:2]:
            self.complaints.append(f"asked elsewhere: {asked}")


def newest(page: Page, chart: str) -> float:
    """Time of the newest sample that a chart has drawn."""
    return float(page.locator(f'[data-chart="{chart}"][data-newest]').get_attribute("data-newest") or 0)


# Counts pixels of a colour of the style sheet in the part of a chart's plot that lies right of a share of its width and
# in the uppermost share of its height, all of it where none is given.
COUNT_PIXELS = """([chart, token, from, above = 1]) => {
    const figure = document.querySelector(`[data-chart="${chart}"]`);
    const canvas = figure.querySelector("canvas"), over = figure.querySelector(".u-over");
    const probe = document.body.appendChild(document.createElement("span"));
    probe.style.color = `var(--${token})`;
    const wanted = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
    probe.remove();
    const ratio = canvas.width / canvas.clientWidth;
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = over;
    const box = [offsetLeft + offsetWidth * from, offsetTop, offsetWidth * (1 - from), offsetHeight * above];
    const { data } = canvas.getContext("2d").getImageData(...box.map((one) => Math.round(one * ratio)));
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 128 && wanted.every((one, part) => Math.abs(data[at + part] - one) < 24)) found += 1;
    }
    return found;
}"""
COUNT_PIXELS_ABOVE_0 = f"arg => ({COUNT_PIXELS})(arg) > 0"


def coloured_pixels(page: Page, chart: str, token: str, right_of: float, above: float = 1) -> int:
    """How many pixels of a series' colour lie inside a chart's plot, right of this share of its width and in the
    uppermost share of its height."""
    return int(page.evaluate(COUNT_PIXELS, [chart, token, right_of, above]))


def seconds_asked(url: str) -> float:
    """The length of the range that a question for history names; 0 for any other address."""
    query = parse_qs(urlsplit(url).query)
    return float(query["to"][0]) - float(query["from"][0]) if "/history" in url else 0.0


def see_all_charts(page: Page) -> None:
    """Bring every chart into view once: they ask for history only then."""
    for chart in page.locator("[data-chart]").all():
        chart.scroll_into_view_if_needed()
        expect(chart.locator("canvas")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
