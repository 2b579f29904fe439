"""Restarts, upgrades, reboots and cut networks: nobody is refused, and no sample is lost."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.figures import Figures
from tests.machine import trees
from tests.machine.clients import connecting_from
from tests.machine.fleet import DAEMONS, HUB_LISTEN, HUB_SOCKET, INTERVAL_SECONDS, Fleet
from tests.machine.machine import Machine, eventually
from tests.machine.processes import descriptors, main_pid

pytestmark = pytest.mark.machine

RESTARTS = 10
LEAST_CONNECTIONS = 500
# A machine that boots, or waits for a processor, samples late.
LONGEST_PAUSE_SECONDS = 10 * INTERVAL_SECONDS
CUT_SECONDS = 8.0
UPGRADE = "9.9.9"


def test_nobody_is_refused_and_no_frame_is_lost_in_ten_restarts(fleet: Fleet, figures: Figures) -> None:
    # Just started and with every collector connected, as it will be at the end.
    fleet.hub.run("systemctl", "restart", "sysmon-aggregatord.service")
    fleet.wait_until_stored()
    began, before = time.time(), _descriptors(fleet)
    with (
        connecting_from([fleet.web1, fleet.web2], HUB_LISTEN, pause=0.05) as made,
        connecting_from([fleet.hub], HUB_SOCKET, pause=0.2) as made_there,
    ):
        for _ in range(RESTARTS):
            fleet.hub.run("systemctl", "restart", "sysmon-aggregatord.service")
            # So that each restart meets machines in the middle of sending.
            fleet.wait_until_stored()
        eventually("there were enough connections", lambda: time.time() - began > LEAST_CONNECTIONS / 2 * 0.05)
    took = time.time() - began
    figures(f"{made.made} connections in {RESTARTS} restarts, {took:.0f} s; the slowest took {made.slowest:.1f} s")
    assert made.failures + made_there.failures == []
    assert made_there.made > RESTARTS
    assert made.made >= LEAST_CONNECTIONS
    fleet.assert_nothing_is_lost()
    for machine in fleet.machines:
        assert fleet.longest_pause(machine, began) < LONGEST_PAUSE_SECONDS
    eventually("no descriptor is left over", lambda: _is_at_most(_descriptors(fleet), before))


def _descriptors(fleet: Fleet) -> tuple[int, int]:
    """Of the hub's systemd, and of its aggregator."""
    return descriptors(fleet.hub, 1), descriptors(fleet.hub, main_pid(fleet.hub, "sysmon-aggregatord.service"))


def _is_at_most(found: tuple[int, int], before: tuple[int, int]) -> bool:
    # Connections come and go; one that leaked in each restart would be seen.
    return all(now <= then + RESTARTS // 2 for now, then in zip(found, before, strict=True))


def _upgrade(machine: Machine, wheel: str) -> None:
    pip = str(trees.ENVIRONMENT / "bin/pip")
    machine.run(pip, "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)
    machine.run("systemctl", "restart", "sysmon.target")


def test_an_upgrade_under_load_loses_nothing(fleet: Fleet, figures: Figures) -> None:
    began = time.time()
    wheel = trees.renumbered(fleet.wheel, UPGRADE)
    with connecting_from([fleet.web2], HUB_LISTEN, pause=0.05) as made:
        for machine in (fleet.hub, fleet.web1):
            shutil.copy(wheel, machine.path("/var/tmp"))
            _upgrade(machine, f"/var/tmp/{wheel.name}")
    assert made.failures == []
    versions = {"hub": UPGRADE, "web1": UPGRADE, "web2": fleet.version}
    eventually("the new version says who it is", lambda: fleet.versions() == versions)
    fleet.moves_on()
    fleet.assert_nothing_is_lost()
    # Those that are upgraded pause for as long as a new collector takes to start, which is a figure and no promise.
    pauses = {machine.name: fleet.longest_pause(machine, began) for machine in fleet.machines}
    figures("longest pause in an upgrade: " + ", ".join(f"{name} {pause:.1f} s" for name, pause in pauses.items()))
    assert pauses["web2"] < LONGEST_PAUSE_SECONDS
    assert _active(fleet.hub) == set(DAEMONS)


def _active(machine: Machine) -> set[str]:
    return {one for one in DAEMONS if machine.show(f"sysmon-{one}.service", "ActiveState") == "active"}


def test_a_reboot_of_the_hub_loses_nothing(fleet: Fleet) -> None:
    began = time.time()
    fleet.hub.reboot()
    eventually("all of it runs", lambda: fleet.hub.state() == "running")
    eventually("every daemon runs", lambda: _active(fleet.hub) == set(DAEMONS))
    fleet.moves_on()
    fleet.assert_nothing_is_lost()
    for machine in (fleet.web1, fleet.web2):
        # They went on sampling while there was no hub.
        assert fleet.longest_pause(machine, began) < LONGEST_PAUSE_SECONDS


def test_what_is_sampled_while_the_network_is_cut_comes_afterwards(fleet: Fleet) -> None:
    began = time.time()
    fleet.network.cut("web1")
    try:
        time.sleep(CUT_SECONDS)
        fleet.moves_on(fleet.hub, fleet.web2)
        assert fleet.newest("web1") < time.time() - CUT_SECONDS + LONGEST_PAUSE_SECONDS
    finally:
        fleet.network.mend("web1")
    fleet.moves_on()
    fleet.assert_nothing_is_lost()
    assert fleet.longest_pause(fleet.web1, began) < LONGEST_PAUSE_SECONDS
