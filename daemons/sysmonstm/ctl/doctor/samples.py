"""Whether this machine's own samples come: a collector that hangs is there all the same, and so is its socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.ctl.format import duration_text

# Every half of WatchdogSec= it tells systemd that it lives; a daemon that is late by more is about to be replaced.
LATE_SECONDS = 10.0
TRIES = 5


def check(place: Place) -> list[Finding]:
    """Ask the gateway that is here; where there is none, systemd, which is told while the collector moves on."""
    collector = place.daemon("collectord")
    if collector is None:
        return []
    if place.daemon("gatewayd"):
        return _ask_gateway(place)
    if collector.service and collector.service.state != "active":
        # The check of the services says so.
        return []
    return judge_told(_told_seconds_ago(collector, time.monotonic()), place.look)


def _ask_gateway(place: Place) -> list[Finding]:
    """Ask until it has a sample: it may have been started by this very question."""
    machine = place.text("collectord", "machine_id")
    found: list[Finding] = []
    for left in reversed(range(TRIES)):
        found = judge(machine, asking.answer(f"{place.url}/api/machines"), time.time(), place.look)
        if left == 0 or all(one.verdict is not Verdict.UNSEEN for one in found):
            break
        time.sleep(1.0)
    return found


def judge(machine: str, fleet: Any, now: float, look: Callable[[str], str]) -> list[Finding]:
    """What is to be said of a machine in the answer of /api/machines; `now` in seconds since 1970."""
    machines = fleet.get("machines") if isinstance(fleet, dict) else None
    if not isinstance(machines, list):
        # The check of the dashboard says why.
        return []
    found = next((one for one in machines if one.get("machine") == machine), None)
    if found is None or found.get("received") is None:
        return [unseen(f"no sample of {machine or 'this machine'} has come yet", look("sysmon-collectord"))]
    newest = f"the newest sample of {machine} is {duration_text(max(0.0, now - found['received']))} old"
    if found.get("state") == "silent":
        sentence = f"{newest}: collectord hangs, or does not reach the hub"
        return [fail(sentence, look("sysmon-collectord"), "see what is said of the hub")]
    return [ok(newest)]


def _told_seconds_ago(collector: Daemon, now: float) -> float | None:
    """How long ago the collector last told systemd that it lives; None if that is not known."""
    told = collector.service.shown.get("WatchdogTimestampMonotonic", "") if collector.service else ""
    return now - int(told) / 1e6 if told.isdecimal() and int(told) else None


def judge_told(seconds: float | None, look: Callable[[str], str]) -> list[Finding]:
    """What is to be said of a collector that told systemd so long ago that it lives."""
    if seconds is None:
        return [unseen("whether the collector moves on could not be found out", look("sysmon-collectord"))]
    ago = duration_text(max(0.0, seconds))
    if seconds > LATE_SECONDS:
        return [fail(f"collectord hangs: it last told systemd {ago} ago that it lives", look("sysmon-collectord"))]
    return [ok(f"the collector moves on: it told systemd so {ago} ago")]
