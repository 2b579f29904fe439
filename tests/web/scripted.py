"""Pages whose gateway says what a test says: for states that a healthy system is not in."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute

from tests.web.browsing import Prepare

HOSTILE = "<img src=x onerror=alert(1)>"


AWAY = "PostgreSQL is away or all connections to it are busy"


def database_away(route: Route) -> None:
    """Answers as the gateway does without its database."""
    route.fulfill(status=503, headers={"Retry-After": "5"}, json={"title": "Service Unavailable", "detail": AWAY})


def says(*messages: dict[str, object], ends: bool = False) -> Prepare:
    """Has a page's WebSocket say only this, and then perhaps end."""

    def prepare(page: Page) -> None:
        def say_all(socket: WebSocketRoute) -> None:
            for message in messages:
                socket.send(json.dumps(message))
            if ends:
                socket.close()

        page.route_web_socket("**/ws*", say_all)

    return prepare


def scripted_page(browser: Browser | BrowserContext, address: str, *messages: dict[str, object]) -> Page:
    """A page whose WebSocket says only this."""
    page = browser.new_page()
    says(*messages)(page)
    page.goto(address)
    return page


SERIES = {"metric": "cpu.percent", "instance": "", "unit": "percent", "kind": "rate", "instance_label": ""}


def snapshot(
    *machines: dict[str, Any],
    late: float = 0,
    series: Sequence[dict[str, str]] = (SERIES,),
    metrics: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A snapshot of these metrics, whose sender's clock is so many seconds behind, or that was so long on its way."""
    head = {"type": "snapshot", "time": time.time() - late, "live": True, "metrics": metrics}
    return {**head, "layouts": {"aa": series}, "machines": machines}


def machine(state: str, silent_seconds: float = 0, ahead: float = 0) -> dict[str, object]:
    received = time.time() - silent_seconds
    seen = {"time": received + ahead, "received": received, "layout": "aa", "values": [12.5]}
    facts = {"os": HOSTILE, HOSTILE: "x"}
    hello = {"machine": "odd", "interval_seconds": 5, "agent_version": HOSTILE, "facts": facts}
    return {"state": state, **hello, **seen}


def frames(*readings: tuple[float, float], ahead: float = 0) -> dict[str, object]:
    """Samples of the odd machine: seconds from now and values."""
    now = time.time()
    made = [
        {"machine": "odd", "time": now + at + ahead, "received": now + at, "layout": "aa", "values": [value]}
        for at, value in readings
    ]
    return {"type": "frames", "frames": made}
