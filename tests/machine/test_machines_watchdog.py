"""What hangs is replaced in time, and what waits for others is not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.figures import Figures
from tests.machine import wedge
from tests.machine.fleet import DAEMONS, Fleet
from tests.machine.machine import Machine, eventually
from tests.machine.processes import main_pid

pytestmark = pytest.mark.machine

UNITS = {daemon: f"sysmon-{daemon}.service" for daemon in DAEMONS}
WATCHDOG_SECONDS = 10.0
# WatchdogSec + 5 s is what is promised; the rest is for a machine that has no processor to spare.
REPLACED_SECONDS = WATCHDOG_SECONDS + 5
LEEWAY_SECONDS = 10.0
HUNG_SECONDS = 25.0
DEAF_SECONDS = 15.0


def _pids(machine: Machine) -> dict[str, int]:
    return {daemon: main_pid(machine, unit) for daemon, unit in UNITS.items()}


def _are_others(machine: Machine, before: dict[str, int]) -> bool:
    """Whether each daemon is ready again, as another process."""
    return all(
        machine.show(unit, "ActiveState") == "active" and main_pid(machine, unit) not in (0, before[daemon])
        for daemon, unit in UNITS.items()
    )


def _active_since(machine: Machine, unit: str) -> float:
    """When it was ready, on the clock of time.monotonic(), which machines share with their host."""
    return int(machine.show(unit, "ActiveEnterTimestampMonotonic")) / 1e6


def _replaced(fleet: Fleet, attack: Callable[[dict[str, int]], None]) -> dict[str, float]:
    """Do it to the hub's daemons; seconds until each was ready again as another process."""
    hub, before = fleet.hub, _pids(fleet.hub)
    began = time.monotonic()
    attack(before)
    eventually("each daemon is replaced", lambda: _are_others(hub, before))
    took = {daemon: _active_since(hub, unit) - began for daemon, unit in UNITS.items()}
    # Pauses between restarts grow; the next test begins with the first again.
    hub.run("systemctl", "reset-failed", *UNITS.values())
    fleet.moves_on()
    fleet.assert_nothing_is_lost()
    return took


def _signal_all(fleet: Fleet, signal: str) -> Callable[[dict[str, int]], None]:
    def attack(pids: dict[str, int]) -> None:
        fleet.hub.run("kill", f"-{signal}", *map(str, pids.values()))

    return attack


def _line(took: dict[str, float], what: str) -> str:
    return f"{what}: replaced after " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())


def test_who_is_killed_is_back_in_seconds(fleet: Fleet, figures: Figures) -> None:
    took = _replaced(fleet, _signal_all(fleet, "KILL"))
    figures(_line(took, "kill -9"))
    assert max(took.values()) < 5 + LEEWAY_SECONDS


def test_who_is_stopped_is_replaced(fleet: Fleet, figures: Figures) -> None:
    took = _replaced(fleet, _signal_all(fleet, "STOP"))
    figures(_line(took, "SIGSTOP"))
    assert max(took.values()) < REPLACED_SECONDS + LEEWAY_SECONDS


def test_a_daemon_with_one_wedged_loop_is_replaced(fleet: Fleet, figures: Figures) -> None:
    hub, since = fleet.hub, fleet.hub.now()
    folder = hub.path(wedge.DIRECTORY)

    def attack(_: dict[str, int]) -> None:
        folder.mkdir()
        for unit in UNITS.values():
            (folder / unit.removesuffix(".service")).touch()
        eventually("each is wedged", lambda: all(_said(hub, unit, wedge.SAYS, since) for unit in UNITS.values()))
        # It is one loop of one process each that hangs, and none of those that come after.
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    _replaced(fleet, attack)
    took = {daemon: _active_since(hub, unit) - _said(hub, unit, wedge.SAYS, since) for daemon, unit in UNITS.items()}
    figures(_line(took, "a wedged loop"))
    assert max(took.values()) < REPLACED_SECONDS + LEEWAY_SECONDS
    for unit in UNITS.values():
        assert _said(hub, unit, "Watchdog timeout", since) > 0


def _said(machine: Machine, unit: str, words: str, since: str) -> float:
    """When a unit, or systemd of it, first said so, on the clock of time.monotonic(); 0 if never."""
    for entry in machine.journal(f"--since={since}", "-u", unit):
        if words in entry["MESSAGE"]:
            return int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6
    return 0.0


def test_nobody_dies_of_a_hung_database_a_dead_network_or_a_deaf_redis(fleet: Fleet) -> None:
    hub, since = fleet.hub, fleet.hub.now()
    pids = {machine.name: main_pid(machine, UNITS["collectord"]) for machine in fleet.machines}
    before = _pids(hub)
    fleet.network.cut("web1")
    hub.run("systemctl", "kill", "--signal=STOP", "postgresql@17-main.service")
    try:
        time.sleep(HUNG_SECONDS)
        # What is live needs no database.
        fleet.moves_on(hub, fleet.web2)
        hub.run("systemctl", "kill", "--signal=STOP", "redis-server.service")
        time.sleep(DEAF_SECONDS)
    finally:
        hub.run("systemctl", "kill", "--signal=CONT", "redis-server.service")
        hub.run("systemctl", "kill", "--signal=CONT", "postgresql@17-main.service")
        fleet.network.mend("web1")
    assert _pids(hub) == before
    assert {machine.name: main_pid(machine, UNITS["collectord"]) for machine in fleet.machines} == pids
    assert [unit for unit in UNITS.values() if _said(hub, unit, "Watchdog timeout", since)] == []
    fleet.moves_on()
    fleet.assert_nothing_is_lost()
