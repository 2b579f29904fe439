"""What a machine tells of itself: units that fail, errors in its journal, local programs, and all it may read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.figures import Figures
from tests.machine.fleet import HUB_LISTEN, INTERVAL_SECONDS, Fleet
from tests.machine.machine import Machine, eventually
from tests.machine.settings import changed

pytestmark = pytest.mark.machine

FAILS = "machine-test-fails.service"
COMPLAINS = "machine-test-complains.service"
# Within 2 s is what is promised; the rest is for a machine that has no processor to spare.
TOLD_SECONDS = 2.0
LEEWAY_SECONDS = 3.0
BARE = "web2-bare"


def test_a_failed_unit_is_an_event_at_once(fleet: Fleet, figures: Figures) -> None:
    web = fleet.web1
    # However seldom it samples.
    with changed(web, "collectord", f"collection_interval = {INTERVAL_SECONDS}", "collection_interval = 30"):
        time.sleep(1)
        began = time.time()
        web.ask("systemd-run", "--quiet", f"--unit={FAILS}", "false")
        (event,) = eventually("it is an event", lambda: fleet.events("unit.failed", "web1", began) or None)
        took = time.time() - began
    figures(f"a failed unit is an event at the hub after {took:.2f} s")
    assert event["fields"]["unit"] == FAILS
    assert event["severity"] == "warning"
    assert FAILS in event["message"]
    assert took < TOLD_SECONDS + LEEWAY_SECONDS
    eventually("it is a metric", lambda: fleet.value("web1", "unit.failed", FAILS) == 1)
    assert fleet.value("web1", "systemd.units_failed") == 1
    web.run("systemctl", "reset-failed", FAILS)
    eventually("no unit has failed", lambda: fleet.value("web1", "systemd.units_failed") == 0)
    assert web.state() == "running"


def test_errors_in_the_journal_are_counted_by_unit(fleet: Fleet) -> None:
    script = "for n in 1 2 3; do echo '<3>this is wrong'; done; echo '<6>and this is not'; sleep 5"
    fleet.web1.run("systemd-run", "--quiet", f"--unit={COMPLAINS}", "sh", "-c", script)
    eventually("they are counted", lambda: fleet.value("web1", "journal.errors", COMPLAINS) == 3)


@pytest.mark.parametrize("unit", ["sysmon-aggregatord.service", "sysmon.slice", "system.slice", "redis-server.service"])
def test_services_and_slices_are_measured(fleet: Fleet, unit: str) -> None:
    eventually("its CPU time is measured", lambda: fleet.value("hub", "cgroup.cpu", unit) is not None)


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_what_local_programs_report_is_a_series(fleet: Fleet, name: str) -> None:
    machine = next(one for one in fleet.machines if one.name == name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.connect(str(machine.path("/run/sysmon/metrics.sock")))
        for line in ("machine_test.queue:42|g", "machine_test.jobs:3|c", "machine_test.took:120|ms"):
            program.send(line.encode())
    eventually("the gauge is seen", lambda: fleet.value(name, "machine_test.queue") == 42)
    names = {one["metric"] for one in fleet.get(f"/api/machines/{name}/metrics")["metrics"]}
    assert any(one.startswith("machine_test.jobs") for one in names)
    assert any(one.startswith("machine_test.took") for one in names)


# What each collector has for itself.
OWN = ("agent.", "machine_test.", "statsd.", "journal.")


@contextmanager
def _bare_collector(machine: Machine) -> Iterator[None]:
    """A second collector there, of its own name, as root and with nothing forbidden."""
    settings = {
        "MACHINE_ID": BARE,
        "SPOOL_DIRECTORY": "/var/lib/bare",
        "AGGREGATOR_URL": HUB_LISTEN,
        "COLLECTION_INTERVAL": str(INTERVAL_SECONDS),
    }
    environment = [f"--setenv=COLLECTOR_{name}={value}" for name, value in settings.items()]
    machine.run("systemd-run", "--unit=bare", *environment, "/opt/sysmonstm/bin/sysmon-collectord")
    try:
        yield
    finally:
        machine.run("systemctl", "stop", "bare.service")


def _series(fleet: Fleet, name: str) -> dict[tuple[str, str], float | None]:
    """What a machine reports of itself, but for what one collector alone has: its own work, and what it was told."""
    found: dict[tuple[str, str], Any] = {}
    for one in fleet.get(f"/api/machines/{name}/metrics")["metrics"]:
        for value in one["values"]:
            key = (one["metric"], value["instance"])
            if (
                not one["metric"].startswith(("agent.", "machine_test.", "statsd.", "journal."))
                and "bare" not in key[1]
            ):
                found[key] = value["value"]
    return found


# These stand still, or nearly so, between two samples.
STEADY = ("filesystem.", "memory.total", "system.processes", "system.boot", "swap.total", "systemd.units")


def test_a_hardened_collector_sees_what_root_sees(fleet: Fleet) -> None:
    with _bare_collector(fleet.web2):
        eventually("root's collector reports", lambda: fleet.newest(BARE) > 0)
        fleet.moves_on(fleet.web2)
        time.sleep(4 * INTERVAL_SECONDS)
        hardened, bare = _series(fleet, "web2"), _series(fleet, BARE)
    assert sorted(bare.keys() - hardened.keys()) == []
    unread = [key for key, value in hardened.items() if value is None and bare.get(key) is not None]
    assert unread == []
    steady = {key: value for key, value in bare.items() if key[0].startswith(STEADY) and value}
    assert {key[0].split(".")[0] for key in steady} >= {"filesystem", "memory", "system"}
    different = {
        key: (hardened[key], value)
        for key, value in steady.items()
        if value and abs((hardened[key] or 0) - value) > 0.05 * value
    }
    assert different == {}
    fleet.assert_nothing_is_lost()
