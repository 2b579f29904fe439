"""A page of many machines whose gateway says what a test says, message by message."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect

from tests.web import scripted
from tests.web.browsing import DESKTOP, PATIENCE_MS, Scheme
from tests.whole_system import eventually

Message = dict[str, Any]
# The metric and instance of each value of a sample.
SERIES = (
    ("cpu.percent", ""),
    ("memory.percent", ""),
    ("filesystem.percent", "/"),
    ("filesystem.percent", "/data"),
    ("network.received", "eth0"),
    ("network.sent", "eth0"),
    ("system.load1", ""),
    ("system.uptime", ""),
)
METRICS = list(dict.fromkeys(metric for metric, _ in SERIES))
QUIET = (10.0, 20.0, 30.0, 15.0, 1024.0, 2048.0, 0.5, 86400.0)


def values(**changed: float) -> list[float]:
    """A sample of a quiet machine, but for what is named: cpu, memory, disk, data, received, sent, load, uptime."""
    named = ("cpu", "memory", "disk", "data", "received", "sent", "load", "uptime")
    return [changed.get(name, value) for name, value in zip(named, QUIET, strict=True)]


def entry(
    name: str,
    *,
    state: str = "up",
    silent: float = 0,
    tags: Sequence[str] = (),
    facts: Mapping[str, str] = {},
    **changed: float,
) -> Message:
    """A machine as a snapshot has it, whose last sample was `silent` seconds ago."""
    received = time.time() - silent
    seen: Message = {"time": received, "received": received, "layout": "aa", "values": values(**changed)}
    if state == "waiting":
        seen = dict.fromkeys(seen)
    facts = {"os": "NixOS 26.05", "cores": "4", **facts}
    return {
        "machine": name,
        "state": state,
        "interval_seconds": 5,
        "agent_version": "1",
        "facts": facts,
        "tags": list(tags),
    } | seen


def snapshot(machines: Sequence[Message]) -> Message:
    series = [scripted.SERIES | {"metric": one, "instance": at} for one, at in SERIES]
    return scripted.snapshot(*machines, series=series, metrics=METRICS)


def sample(name: str, **changed: float) -> Message:
    now = time.time()
    frame = {"machine": name, "time": now, "received": now, "layout": "aa", "values": values(**changed)}
    return {"type": "frames", "frames": [frame]}


def alert(machine: str, severity: str) -> Message:
    about = {"rule": "r", "metric": "cpu.percent", "instance": "", "value": 99, "threshold": 90, "state": "firing"}
    return {
        "machine": machine,
        "severity": severity,
        "since": time.time() - 60,
        "message": f"{machine}: too much",
        **about,
    }


def rule(metric: str, threshold: float, severity: str = "warning", **changed: object) -> Message:
    about = {"rule": "r", "machine": "*", "instance": "*", "comparison": ">"}
    return {**about, "metric": metric, "threshold": threshold, "severity": severity, **changed}


def history_of(url: str, had: Mapping[str, Mapping[str, float]]) -> Message:
    """An answer of /api/history in which every machine has had 42, or what each instance of a metric `had`."""
    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    first, last = float(asked["from"]), float(asked["to"])
    times = [first + 10 * number for number in range(int((last - first) / 10))]
    series = [
        {"machine": name, "instance": instance, **dict.fromkeys(("min", "mean", "max"), [number] * len(times))}
        for name in asked["machines"].split(",")
        for instance, number in had.get(asked["metric"], {"": 42.0}).items()
    ]
    measured = {"from": first, "to": last, "step_seconds": 10, "times": times, "series": series}
    return {"metric": asked["metric"], **measured, "gaps": [], "unknown": []}


@dataclass
class Script:
    """What the gateway says. Change it before the page is opened, or say more while it is."""

    machines: list[Message]
    alerts: list[Message] = field(default_factory=list)
    # None: alertd is away.
    rules: list[Message] | None = field(default_factory=list)
    # What history says that every machine has had, by metric and instance; 42 of what is not there.
    had: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    histories: list[str] = field(default_factory=list)
    # Addresses of its WebSockets, and what was sent to them.
    opened: list[str] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    _sockets: list[WebSocketRoute] = field(default_factory=list)

    def serve(self, page: Page) -> None:
        page.route_web_socket("**/ws*", self._open)
        page.route("**/api/alerts", lambda route: route.fulfill(json={"alerts": self.alerts}))
        page.route("**/api/rules", self._rules)
        page.route("**/api/events?*", lambda route: route.fulfill(json={"events": []}))
        page.route("**/api/history?*", self._history)

    def say(self, *messages: Message) -> None:
        for message in messages:
            self._sockets[-1].send(json.dumps(message))

    def snapshot(self) -> Message:
        return snapshot(self.machines)

    def hang_up(self) -> None:
        self._sockets[-1].close()

    def _open(self, socket: WebSocketRoute) -> None:
        self._sockets.append(socket)
        self.opened.append(socket.url)
        socket.on_message(lambda text: self.sent.append(json.loads(text)))
        socket.send(json.dumps(self.snapshot()))

    def _rules(self, route: Route) -> None:
        if self.rules is None:
            route.fulfill(status=503, json={"title": "sysmon-alertd is away"})
        else:
            route.fulfill(json={"rules": self.rules})

    def _history(self, route: Route) -> None:
        self.histories.append(route.request.url)
        route.fulfill(json=history_of(route.request.url, self.had))


@contextmanager
def fleet_page(
    browser: Browser, url: str, script: Script, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light"
) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    script.serve(page)
    page.goto(url)
    yield page
    context.close()


def shown(page: Page) -> list[str]:
    """The names in the list, in their order."""
    names: list[str] = page.locator(".fleet-row[data-machine]").evaluate_all(
        "rows => rows.map(row => row.dataset.machine)"
    )
    return names


def some() -> Script:
    """Few machines of several kinds."""
    machines = [
        entry("web1", tags=["prod", "rack:4"], cpu=70),
        entry("web2", tags=["staging", "rack:4"], cpu=30, facts={"needs_reboot": "kernel"}),
        entry("web10", tags=["prod", "rack:10"], cpu=50, facts={"os": "Debian 12"}),
        entry("db1", tags=["prod"], state="silent", silent=754, cpu=99),
        entry("new", state="waiting"),
    ]
    return Script(machines, [alert("web2", "critical"), alert("web2", "critical"), alert("web10", "warning")])


def row(page: Page, name: str) -> Locator:
    return page.locator(f'.fleet-row[data-machine="{name}"]')


def expect_shown(page: Page, *names: str) -> None:
    expect(page.locator(".fleet-row[data-machine]")).to_have_count(len(names))
    eventually(f"the list is {names}", lambda: shown(page) == list(names))


def query(page: Page) -> dict[str, list[str]]:
    """What its address has chosen."""
    return parse_qs(urlsplit(page.url).query)
