"""`sysmonctl machines`: the fleet as a table, or as the API's own JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from sysmonstm.ctl import api
from sysmonstm.ctl.api import Machine
from sysmonstm.ctl.format import ago_text, aligned, duration_text, number_text
from sysmonstm.logs import printable

HEADINGS = ("MACHINE", "STATE", "CPU %", "MEM %", "DISK %", "FULLEST", "LOAD", "UPTIME", "LAST SEEN", "TAGS")
# Words to the left, numbers to the right.
RIGHT = frozenset({2, 3, 4, 6, 7, 8})


def machines(url: str, as_json: bool) -> None:
    """Print them; UserError if the gateway does not answer."""
    answer = api.fetch(url)
    found = api.parse(url, answer)
    if as_json:
        # Written anew, because json.dumps escapes all that is not ASCII and so nothing in it can reach the terminal.
        print(json.dumps(json.loads(answer), indent=2))
    else:
        print("\n".join(table(found, time.time())))


def table(found: Sequence[Machine], now: float) -> list[str]:
    """Lines of equal columns, the headings first; `now` in seconds since 1970. Safe to print."""
    if not found:
        return ["no machine has reported yet; start sysmon-collectord on one"]
    return aligned([HEADINGS, *(_cells(machine, now) for machine in found)], RIGHT)


def _cells(machine: Machine, now: float) -> tuple[str, ...]:
    return (
        printable(machine.name),
        printable(machine.state),
        number_text(machine.cpu_percent),
        number_text(machine.memory_percent),
        number_text(machine.fullest_percent),
        printable(machine.fullest_mount),
        number_text(machine.load1, 2),
        duration_text(machine.uptime_seconds),
        ago_text(machine.seen, now),
        printable(" ".join(machine.tags)),
    )
