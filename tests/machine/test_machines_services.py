"""The units as systemd runs them: they stay up, are hardened, start when somebody connects, and take new settings."""

from __future__ import annotations

import socket
import time

import pytest

from tests.figures import Figures
from tests.machine.clients import connecting_from
from tests.machine.fleet import DAEMONS, HUB_LISTEN, Fleet
from tests.machine.machine import Machine, eventually
from tests.machine.processes import listeners, main_pid, owner

pytestmark = pytest.mark.machine

MOST_EXPOSURE = {"collectord": 2.0, "aggregatord": 1.5, "gatewayd": 1.5, "alertd": 1.5}
# Between two connections of a client.
PAUSE_SECONDS = 0.05


def test_every_machine_runs_and_nothing_has_failed(fleet: Fleet) -> None:
    for machine in fleet.machines:
        assert machine.state() == "running", machine.run("systemctl", "--failed")


def test_unit_files_have_no_fault(fleet: Fleet) -> None:
    units = [f"sysmon-{daemon}.{kind}" for daemon in DAEMONS for kind in ("service", "socket")]
    result = fleet.hub.ask("systemd-analyze", "verify", *units, "sysmon.target", "sysmon.slice")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_services_are_hardened(fleet: Fleet, figures: Figures) -> None:
    lines = fleet.hub.run("systemd-analyze", "security", "--no-pager", *_services()).splitlines()
    overall = [line for line in lines if "Overall exposure level for" in line]
    found = {line.split("sysmon-")[1].split(".service")[0]: float(line.split(":")[1].split()[0]) for line in overall}
    figures("exposure: " + ", ".join(f"{name} {score}" for name, score in found.items()))
    assert found.keys() == MOST_EXPOSURE.keys()
    assert {name: score for name, score in found.items() if score > MOST_EXPOSURE[name]} == {}


def test_daemons_are_no_root_and_bind_nothing_that_others_can_reach(fleet: Fleet) -> None:
    owners = {daemon: owner(fleet.hub, main_pid(fleet.hub, f"sysmon-{daemon}.service")) for daemon in DAEMONS}
    assert 0 not in owners.values()
    assert len(set(owners.values())) == len(DAEMONS), "each has a user of its own"
    assert [one for one in listeners(fleet.hub) if one.owner in owners.values()] == []
    # systemd itself has bound what they serve.
    assert {one.port for one in listeners(fleet.hub) if one.owner == 0} == {50051, 8000}


def _services() -> list[str]:
    return [f"sysmon-{daemon}.service" for daemon in DAEMONS]


def _stop(machine: Machine, daemon: str) -> None:
    machine.run("systemctl", "stop", f"sysmon-{daemon}.service")
    assert machine.show(f"sysmon-{daemon}.service", "ActiveState") == "inactive"


def _is_active(machine: Machine, daemon: str) -> bool:
    return machine.show(f"sysmon-{daemon}.service", "ActiveState") == "active"


def test_first_connection_starts_the_gateway(fleet: Fleet) -> None:
    _stop(fleet.hub, "gatewayd")
    assert {one["machine"] for one in fleet.get("/api/machines")["machines"]} >= {"web1", "web2"}
    assert _is_active(fleet.hub, "gatewayd")


def test_first_connection_starts_alertd(fleet: Fleet) -> None:
    _stop(fleet.hub, "alertd")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(fleet.hub.path("/run/sysmon/alertd.sock")))
        eventually("alertd is started by who connects", lambda: _is_active(fleet.hub, "alertd"))


def test_first_connection_starts_the_aggregator(fleet: Fleet) -> None:
    for machine in fleet.machines:
        # Nobody else may connect.
        _stop(machine, "collectord")
    _stop(fleet.hub, "aggregatord")
    time.sleep(1)
    assert not _is_active(fleet.hub, "aggregatord")
    with connecting_from([fleet.web1], HUB_LISTEN, PAUSE_SECONDS) as made:
        eventually("the aggregator is started by who connects", lambda: _is_active(fleet.hub, "aggregatord"))
    assert made.made > 0
    assert made.failures == []
    for machine in fleet.machines:
        machine.run("systemctl", "start", "sysmon-collectord.service")
    fleet.assert_nothing_is_lost()


def test_first_line_of_a_local_program_starts_the_collector(fleet: Fleet) -> None:
    _stop(fleet.web2, "collectord")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.sendto(b"machine_test.first:7|g", str(fleet.web2.path("/run/sysmon/metrics.sock")))
    eventually("the collector is started by who reports", lambda: _is_active(fleet.web2, "collectord"))
    # It was said before there was anybody to hear it.
    eventually("what was said is a series", lambda: fleet.value("web2", "machine_test.first") == 7)
    fleet.moves_on(fleet.web2)
