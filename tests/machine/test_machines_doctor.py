"""`sysmonctl doctor` finds nothing wrong with machines that are well, and says what is wrong with one that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.machine.fleet import Fleet
from tests.machine.machine import Machine, eventually

pytestmark = pytest.mark.machine

# Of the host, which a machine of these tests shares, and of nothing that it could mend itself.
OF_THE_HOST = {"clock", "disk"}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What it says, by the names of its checks."""

    status: int
    failures: dict[str, str]
    warnings: dict[str, str]
    fixes: list[str]


def _doctor(machine: Machine) -> Verdicts:
    result = machine.ask("sysmonctl", "doctor", "--json")
    findings = json.loads(result.stdout)["findings"]
    said: dict[str, dict[str, str]] = {verdict: {} for verdict in ("ok", "unseen", "warn", "fail")}
    for one in findings:
        said[one["verdict"]][one["check"]] = one["sentence"]
    fixes = [fix for one in findings if one["verdict"] == "fail" for fix in one["fixes"]]
    return Verdicts(result.returncode, said["fail"], said["warn"], fixes)


def test_doctor_finds_nothing_wrong_with_healthy_machines(fleet: Fleet) -> None:
    for machine in (fleet.hub, fleet.web1):
        found = _doctor(machine)
        assert found.failures == {}
        assert found.warnings.keys() - OF_THE_HOST == set(), found.warnings
        assert found.status == (1 if found.warnings else 0)


@contextmanager
def _stopped(machine: Machine, unit: str) -> Iterator[None]:
    machine.run("systemctl", "stop", unit)
    try:
        yield
    finally:
        machine.run("systemctl", "start", unit)


def test_doctor_names_a_redis_that_is_away(fleet: Fleet) -> None:
    with _stopped(fleet.hub, "redis-server.service"):
        found = _doctor(fleet.hub)
    assert found.status == 2
    assert "does not answer" in found.failures["redis"]
    assert any("redis-server" in fix for fix in found.fixes)
    fleet.moves_on()


def test_doctor_names_settings_that_no_daemon_would_take(fleet: Fleet) -> None:
    file = fleet.web1.path("/etc/sysmonstm/collectord.toml")
    before = file.read_text()
    file.write_text(before + "\nno_such_setting = 1\n")
    try:
        found = _doctor(fleet.web1)
    finally:
        file.write_text(before)
    assert found.status == 2
    assert "no_such_setting" in found.failures["configuration"]


def test_doctor_names_a_hub_that_cannot_be_reached(fleet: Fleet) -> None:
    fleet.network.cut("web1")
    try:
        found = _doctor(fleet.web1)
    finally:
        fleet.network.mend("web1")
    assert found.status == 2
    assert fleet.hub.address in found.failures["hub"]
    eventually("it can again", lambda: not _doctor(fleet.web1).failures)
    fleet.assert_nothing_is_lost()
