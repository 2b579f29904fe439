"""`sysmonctl events`: what happened in the fleet, oldest first, and what happens from now on."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

from sysmonstm.config import UserError
from sysmonstm.ctl import api
from sysmonstm.logs import printable

EVERY_SECONDS = 1.0
# The most that the gateway gives at once. What happens faster is not followed, and that is said.
MOST_AT_ONCE = 1000
MOSTLY_ENOUGH = 100
# Two daemons may store events at once, and the one with the lower id comes to light last.
REMEMBERED = 4 * MOST_AT_ONCE
COLOURS = {"warning": "\x1b[33m", "critical": "\x1b[1;31m"}
PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Event:
    """One of them. The strings are a machine's own: escape them. `time` is seconds since 1970; `whole` as answered."""

    id: int
    time: float
    severity: str
    machine: str
    message: str
    whole: dict[str, object]


def events(url: str, machine: str | None, count: int, follow: bool, as_json: bool) -> None:
    """Print the newest `count`, and then each as it is stored; UserError if the gateway does not answer."""
    found = fetch(url, machine, MOST_AT_ONCE)
    _print(found[: max(0, count)], as_json)
    if not follow:
        return
    try:
        _follow(url, machine, dict.fromkeys(one.id for one in found), as_json)
    except KeyboardInterrupt:
        # What it was told to end by.
        return


def _follow(url: str, machine: str | None, seen: dict[int, None], as_json: bool) -> NoReturn:
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            fresh = _unseen(url, machine, seen)
        except UserError:
            # It has answered before: it is being restarted, and the rows are there when it is back.
            continue
        _print(fresh, as_json)
        seen |= dict.fromkeys(one.id for one in fresh)
        for old in list(seen)[:-REMEMBERED]:
            del seen[old]


def _unseen(url: str, machine: str | None, seen: Container[int]) -> list[Event]:
    """What is new, newest first."""
    for asked in (MOSTLY_ENOUGH, MOST_AT_ONCE):
        fresh = [one for one in fetch(url, machine, asked) if one.id not in seen]
        if len(fresh) < asked:
            return fresh
    print("sysmonctl: more happened meanwhile than can be asked for; some is left out", file=sys.stderr)
    return fresh


def _print(found: Sequence[Event], as_json: bool) -> None:
    colours = sys.stdout.isatty()
    for one in sorted(found, key=lambda one: one.id):
        # Written anew, because json.dumps escapes all that is not ASCII and so nothing in it can reach the terminal.
        print(json.dumps(one.whole) if as_json else line(one, colours), flush=True)


def fetch(url: str, machine: str | None, count: int) -> list[Event]:
    """The newest events, newest first; UserError if there is no answer, or it is not one of ours."""
    query = {"limit": str(count)} | ({"machine": machine} if machine else {})
    answer = api.get(url, f"/api/events?{urlencode(query)}")
    try:
        return [_event(one) for one in json.loads(answer)["events"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise api.no_gateway(url) from None


def _event(one: dict[str, object]) -> Event:
    number, moment = one["id"], one["time"]
    if not isinstance(number, int) or not isinstance(moment, (int, float)) or not math.isfinite(moment):
        raise TypeError("an id is a number, and a time seconds")
    machine = "" if one["machine"] is None else str(one["machine"])
    return Event(number, float(moment), str(one["severity"]), machine, str(one["message"]), one)


def line(event: Event, colours: bool) -> str:
    """Time, severity, machine and sentence. Safe to print."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
    text = f"{when}  {printable(event.severity):8}  {printable(event.machine or '-'):16}  {printable(event.message)}"
    colour = COLOURS.get(event.severity, "") if colours else ""
    return f"{colour}{text}{PLAIN}" if colour else text
