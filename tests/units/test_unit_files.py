"""The unit files say what the daemons are: names, sockets, credentials, limits, and why they are not stricter."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.collectord import __main__ as collectord
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.config import SECRET, Settings, credential_files, env_name, fields
from sysmonstm.gatewayd.settings import GatewaySettings
from tests.units.unit_files import ROOT, SERVICES, SOCKETS, UNITS, UnitFile, daemon_of, daemons, read_unit

SETTINGS: dict[str, type[Settings]] = {
    "aggregatord": AggregatorSettings,
    "alertd": AlertSettings,
    "collectord": CollectorSettings,
    "gatewayd": GatewaySettings,
}
AGREED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "ExecReload": "kill -HUP $MAINPID",
    "WatchdogSec": "10",
    "TimeoutAbortSec": "5",
    "Restart": "always",
    "RestartSec": "1",
    "StartLimitIntervalSec": "0",
    "LimitNOFILE": "65536",
    "Slice": "sysmon.slice",
    "PartOf": "sysmon.target",
}
# What is stricter than what stands in a unit must have its reason above it, or be named in a comment.
STRICTEST = {
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "SupplementaryGroups": None,
    "UMask": "0077",
    "KeyringMode": "private",
    "RemoveIPC": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "DevicePolicy": "closed",
    "PrivateMounts": "yes",
    "PrivateIPC": "yes",
    "PrivateUsers": "yes",
    "PrivateNetwork": "yes",
    "IPAddressDeny": "any",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "SystemCallArchitectures": "native",
    "LimitCORE": "0",
}


def by_name(unit: UnitFile) -> str:
    return unit.name


def test_every_daemon_has_a_service_and_a_socket_and_nothing_else_has() -> None:
    there = {path.name for path in UNITS.glob("sysmon-*")}
    assert there == {f"sysmon-{daemon}.{kind}" for daemon in daemons() for kind in ("service", "socket")}


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_a_service_is_started_and_watched_as_agreed(service: UnitFile) -> None:
    daemon = daemon_of(service)
    assert {key: service.value(key) for key in AGREED} == AGREED
    assert service.value("ExecStart") == f"/usr/bin/sysmon-{daemon} --config /etc/sysmonstm/{daemon}.toml"
    assert service.value("Requires") == f"sysmon-{daemon}.socket"
    assert service.value("User") == f"sysmon-{daemon}"
    assert next(line.section for line in service.lines if line.key == "StartLimitIntervalSec") == "[Unit]"


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_memory_tasks_and_shares_are_bounded(service: UnitFile) -> None:
    for key in ("MemoryHigh", "MemoryMax", "TasksMax", "CPUWeight", "IOWeight", "TimeoutStartSec", "TimeoutStopSec"):
        assert service.value(key), key


def test_the_collector_has_time_to_flush_and_to_close() -> None:
    service = read_unit(UNITS / "sysmon-collectord.service")
    assert int(service.value("TimeoutStopSec")) > collectord.FLUSH_SECONDS + collectord.CLOSE_SECONDS + 2


def test_the_spool_is_where_the_collector_of_root_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = read_unit(UNITS / "sysmon-collectord.service").value("StateDirectory")
    monkeypatch.setenv("STATE_DIRECTORY", f"/var/lib/{directory}")
    assert CollectorSettings().spool_directory == Path("/var/lib/sysmonstm/collector")


def asked_names(daemon: str) -> set[str]:
    """The names by which a daemon's code asks for handed over sockets."""
    found = set()
    for file in (ROOT / "daemons/sysmonstm" / daemon).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("listeners", "datagram"):
                    found.add(str(node.args[0].value))
    return found


@pytest.mark.parametrize("socket", SOCKETS, ids=by_name)
def test_a_socket_has_the_name_that_its_daemon_asks_for(socket: UnitFile) -> None:
    assert asked_names(daemon_of(socket)) == {socket.value("FileDescriptorName")}


@pytest.mark.parametrize("socket", SOCKETS, ids=by_name)
def test_a_socket_outlives_its_service_and_is_closed_to_strangers(socket: UnitFile) -> None:
    assert socket.values("PartOf") + socket.values("BindsTo") + socket.values("StopPropagatedFrom") == []
    assert socket.value("SocketGroup") == "sysmon"
    assert socket.value("SocketMode") == ("0666" if socket.values("ListenDatagram") else "0660")
    public = [one for one in socket.values("ListenStream") if not one.startswith(("127.0.0.1:", "/run/sysmon/"))]
    assert public == []


@pytest.mark.parametrize("unit", [*SERVICES, *SOCKETS], ids=by_name)
def test_everything_is_wanted_by_the_target(unit: UnitFile) -> None:
    assert unit.value("WantedBy") == "sysmon.target"


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_what_is_not_the_strictest_has_its_reason(service: UnitFile) -> None:
    unexplained = []
    for key, strictest in STRICTEST.items():
        lines = [line for line in service.lines if line.key == key]
        if not lines and strictest is not None and key not in service.comments:
            unexplained.append(f"{key} is missing, and no comment names it")
        # A group of lines may stand below one comment, if that names what they say.
        unexplained += [
            f"{key}={line.value}, and no comment above it"
            for line in lines
            if line.value != strictest and not line.comment and key not in service.comments
        ]
    assert unexplained == []


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_system_calls_are_an_allow_list_without_what_is_privileged(service: UnitFile) -> None:
    first, second, *more = [line for line in service.lines if line.key == "SystemCallFilter"]
    assert first.value == "@system-service"
    assert {"~@privileged", "@resources", "@setuid", "@chown"} <= set(second.value.split())
    (added,) = more
    assert not added.value.startswith("~")
    assert "@" not in added.value
    assert added.comment


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
def test_every_secret_and_certificate_can_come_as_a_file_that_may_be_absent(service: UnitFile) -> None:
    secrets = sorted(field for field in fields(SETTINGS[daemon_of(service)]) if field in SECRET)
    names = sorted([*secrets, *credential_files(SETTINGS[daemon_of(service)]).values()])
    loaded = sorted(service.values("LoadCredential"))
    assert loaded == [f"{name}:/etc/sysmonstm/credentials/{name}" for name in names]
    # Not quite empty: systemd 252 takes no empty one.
    assert sorted(service.values("SetCredential")) == [rf"{name}:\n" for name in names]


def test_every_setting_that_a_unit_names_exists() -> None:
    known = {env_name(settings, field) for settings in SETTINGS.values() for field in fields(settings)}
    prefixes = "|".join(settings.env_prefix for settings in SETTINGS.values())
    for file in UNITS.rglob("*"):
        if file.is_file():
            named = set(re.findall(rf"\b(?:{prefixes})[A-Z_]+\b", file.read_text()))
            assert named - known == set(), file.name


def test_what_old_systemds_do_not_know_is_kept_apart() -> None:
    (drop_in,) = (path for path in (UNITS / "since-254").rglob("*") if path.is_file())
    keys = {line.key for line in read_unit(drop_in).lines}
    assert keys == {"RestartSteps", "RestartMaxDelaySec"}
    assert [unit.name for unit in SERVICES if keys & {line.key for line in unit.lines}] == []


def test_the_accounts_that_units_name_are_made() -> None:
    made = re.findall(r"^[gu] (\S+)", (UNITS / "sysmonstm.sysusers").read_text(), re.MULTILINE)
    assert {"sysmon", "sysmon-collectord"} == set(made)
    groups = {group for unit in SERVICES for value in unit.values("SupplementaryGroups") for group in value.split()}
    assert groups <= {"sysmon", "systemd-journal"}
