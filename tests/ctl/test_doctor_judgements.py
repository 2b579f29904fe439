"""What the doctor makes of what it is told: of each check its judgement, by tables."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from sysmonstm.ctl.doctor import (
    accounts,
    clock,
    configuration,
    credentials,
    descriptors,
    disk,
    gateway,
    hub,
    journal,
    ports,
    services,
    sockets,
    spool,
    units,
    versions,
)
from sysmonstm.ctl.doctor.asking import Said
from sysmonstm.ctl.doctor.credentials import Secret
from sysmonstm.ctl.doctor.disk import GIB, MIB, Room
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.hub import Reached
from sysmonstm.ctl.doctor.listening import listed
from sysmonstm.ctl.doctor.report import lines, status
from sysmonstm.ctl.doctor.sockets import Socket
from sysmonstm.ctl.doctor.spool import Spool
from sysmonstm.ctl.doctor.units import Unit
from sysmonstm.listen import Address
from sysmonstm.resources import commands
from tests.ctl.judging import FAIL, OK, UNSEEN, WARN, judged

SHOWN = """\
Id=sysmon-gatewayd.service
LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
NRestarts=0
Result=success
MainPID=412
StatusText=3 machines, 1 browser
NeedDaemonReload=no
LimitNOFILE=65536
ActiveEnterTimestampMonotonic=60000000

Id=sysmon-gatewayd.socket
LoadState=loaded
Listen=127.0.0.1:8000 (Stream)
Listen=/run/sysmon/gatewayd.sock (Stream)
ActiveState=active

Id=sysmon-alertd.service
LoadState=not-found
ActiveState=inactive
"""


def test_what_systemctl_shows_is_understood() -> None:
    shown = units.parsed(SHOWN)
    service = Unit.of("sysmon-gatewayd.service", shown["sysmon-gatewayd.service"])
    assert (service.installed, service.enabled, service.state, service.pid) == (True, True, "active", 412)
    assert not Unit.of("sysmon-alertd.service", shown["sysmon-alertd.service"]).installed
    assert listed(shown["sysmon-gatewayd.socket"]["Listen"]) == [
        (Address("127.0.0.1", 8000), 1),
        (Path("/run/sysmon/gatewayd.sock"), 1),
    ]


def test_what_listens_everywhere_is_looked_for_on_loopback() -> None:
    listens = "0.0.0.0:50051 (Stream)\n[::]:8000 (Stream)\n/run/sysmon/metrics.sock (Datagram)\n@abstract (Stream)\n"
    assert listed(listens) == [
        (Address("127.0.0.1", 50051), 1),
        (Address("::1", 8000), 1),
        (Path("/run/sysmon/metrics.sock"), 2),
    ]


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({}, OK, ["runs since 1m 0s"]),
        ({"ActiveState": "failed", "Result": "exit-code"}, FAIL, ["has failed (exit-code)", "journalctl -e -u"]),
        ({"ActiveState": "inactive"}, FAIL, ["does not run: it is inactive", "systemctl start sysmon.target"]),
        ({"ActiveState": "activating"}, FAIL, ["it is activating"]),
        ({"NRestarts": "1"}, WARN, ["restarted sysmon-gatewayd.service once, the last time 1m 0s ago", "journalctl"]),
        ({"NRestarts": "12"}, WARN, ["12 times"]),
        ({"UnitFileState": "disabled"}, WARN, ["not started at boot", "systemctl enable sysmon-gatewayd.service"]),
        ({"UnitFileState": "masked"}, WARN, ["not started at boot"]),
        ({"NeedDaemonReload": "yes"}, WARN, ["has changed", "systemctl daemon-reload"]),
    ],
)
def test_services(changed: dict[str, str], verdict: Verdict, words: list[str]) -> None:
    shown = dict(units.parsed(SHOWN)["sysmon-gatewayd.service"]) | changed
    judged(units.judge(Unit.of("sysmon-gatewayd.service", shown), now=120.0), verdict, *words)


def test_a_service_that_is_left_to_its_socket_is_well() -> None:
    shown = dict(units.parsed(SHOWN)["sysmon-gatewayd.service"]) | {"UnitFileState": "disabled"}
    for state in ("inactive", "active"):
        unit = Unit.of("sysmon-gatewayd.service", shown | {"ActiveState": state})
        judged(units.judge(unit, now=120.0, by_socket=True), OK)
    unit = Unit.of("sysmon-gatewayd.service", shown | {"ActiveState": "failed"})
    judged(units.judge(unit, now=120.0, by_socket=True), FAIL)


def test_daemons_of_up() -> None:
    judged(services.judge_up({"aggregatord": 3, "gatewayd": 4}, "/state"), OK, "2 daemons run")
    judged(services.judge_up({"aggregatord": 3, "gatewayd": 0}, "/state"), FAIL, "gatewayd", "tail /state/logs/")


RUN = "/run/sysmon/"


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (Socket("gatewayd", "127.0.0.1:8000", 0), OK, []),
        (Socket("alertd", RUN + "alertd.sock", 0, 0o660, "sysmon"), OK, []),
        (Socket("collectord", RUN + "metrics.sock", 0, 0o666, "root"), OK, []),
        (Socket("collectord", RUN + "metrics.sock", 0, 0o660, "sysmon"), WARN, ["mode 0660, not 0666"]),
        (Socket("alertd", RUN + "alertd.sock", 0, 0o666, "sysmon"), WARN, ["mode 0666, not 0660", "alertd.socket"]),
        (Socket("alertd", RUN + "alertd.sock", 0, 0o660, "root"), FAIL, ["group root, not sysmon"]),
        (Socket("alertd", RUN + "alertd.sock", errno.EACCES, 0o660, "sysmon"), UNSEEN, ["as root", "usermod"]),
        (Socket("alertd", RUN + "alertd.sock", errno.ENOENT), FAIL, ["is not there", "systemctl restart"]),
        (Socket("gatewayd", "127.0.0.1:8000", errno.ECONNREFUSED), FAIL, ["Connection refused", "systemctl restart"]),
    ],
)
def test_sockets(found: Socket, verdict: Verdict, words: list[str]) -> None:
    judged(sockets.judge(found, by_systemd=True), verdict, *words)


def test_sockets_of_up_are_the_persons_own() -> None:
    judged(sockets.judge(Socket("alertd", "/state/alertd.sock", 0, 0o600, "me"), by_systemd=False), OK)


@pytest.mark.parametrize(
    ("reached", "verdicts"),
    [
        ([Reached.SPEAKS], [OK]),
        ([Reached.SPEAKS, Reached.REFUSED], [WARN]),
        ([Reached.UNREACHABLE, Reached.REFUSED], [FAIL, FAIL]),
        ([Reached.DENIED], [UNSEEN]),
        *([[one], [FAIL]] for one in Reached if one not in (Reached.SPEAKS, Reached.DENIED)),
    ],
)
def test_hubs(reached: list[Reached], verdicts: list[Verdict]) -> None:
    found = hub.judge([(f"hub{number}:50051", one) for number, one in enumerate(reached)])
    assert [one.verdict for one in found] == verdicts
    assert all(one.fixes for one in found if one.verdict in (WARN, FAIL))


@pytest.mark.parametrize(
    ("heard", "reached"),
    [
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), Reached.SPEAKS),
        (b"\x00\x00\x00\x04\x00\x00\x00\x00\x01", Reached.OTHER),
        (b"HTTP/1.1 400 Bad Request\r\n", Reached.OTHER),
        (b"SSH-2.0-OpenSSH", Reached.OTHER),
        (b"", Reached.OTHER),
    ],
)
def test_how_a_hub_greets(heard: bytes, reached: Reached) -> None:
    assert hub.judge_greeting(heard) is reached


def ready(**down: bool) -> dict[str, object]:
    """What /ready says where these are down, True for what is needed."""
    names = ("redis", "database", "aggregator", "alertd")
    return {
        "ready": not any(down.values()),
        "dependencies": {
            name: {"state": "down" if name in down else "up", "needed": down.get(name, True), "detail": "it is ill"}
            for name in names
        },
    }


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (ready(), OK, ["has all"]),
        (ready(database=True), FAIL, ["lacks database: it is ill", "look postgresql"]),
        (ready(alertd=False), WARN, ["lacks alertd: it is ill", "look sysmon-alertd"]),
        (None, FAIL, ["does not answer", "look sysmon-gatewayd"]),
        ({"hello": "world"}, FAIL, ["no gateway of sysmonstm"]),
        ([], FAIL, ["no gateway of sysmonstm"]),
    ],
)
def test_the_dashboard(answer: object, verdict: Verdict, words: list[str]) -> None:
    judged(gateway.judge("http://hub", answer, lambda unit: f"look {unit}"), verdict, *words)


@pytest.mark.parametrize(
    ("is_synchronized", "is_container", "verdict", "words"),
    [
        (True, False, OK, ["is synchronized"]),
        (False, False, WARN, ["not synchronized", "timedatectl set-ntp true"]),
        (False, True, OK, ["its host keeps the clock"]),
        (None, False, UNSEEN, []),
    ],
)
def test_the_clock(is_synchronized: bool | None, is_container: bool, verdict: Verdict, words: list[str]) -> None:
    judged(clock.judge_clock(is_synchronized, is_container=is_container), verdict, *words)


def test_the_kernel_says_whether_its_clock_is_right() -> None:
    assert clock.synchronized() in (True, False)


def test_clocks_of_machines() -> None:
    def machines(*skews: float | None) -> object:
        return {"machines": [{"machine": f"web{at}", "skew_seconds": skew} for at, skew in enumerate(skews)]}

    judged(clock.judge_skews(machines(0.1, None, -4.9)), OK, "all 3 machines")
    judged(clock.judge_skews(machines(0.1, -7.2, 3700)), WARN, "web2 by 1h 1m ahead, web1 by 7s behind")
    judged(clock.judge_skews(machines(*[60] * 8)), WARN, "and 3 more")
    assert clock.judge_skews(None) == clock.judge_skews({"machines": []}) == []


def test_configurations() -> None:
    file = Path("/etc/sysmonstm/alertd.toml")
    judged(configuration.judge("alertd", Said(True, "", ""), file), OK)
    bad = Said(False, "", "sysmon-alertd: rules in it is not a setting; did you mean rules_file?")
    judged(configuration.judge("alertd", bad, file), FAIL, "alertd would not start again: rules in it", f"mend {file}")
    judged(configuration.judge("alertd", bad, None), FAIL, "sysmonctl up")
    judged(configuration.judge("alertd", None, file), UNSEEN)


KEPT = Path("/etc/sysmonstm/credentials")
DIRECTORY = Secret(KEPT, 0o700, 0)
TOML = Path("/etc/sysmonstm/alertd.toml")


@pytest.mark.parametrize(
    ("directory", "files", "verdict", "words"),
    [
        (None, [], OK, ["no secret"]),
        (DIRECTORY, [Secret(KEPT / "redis_url", 0o600, 0)], OK, ["1 secret is kept"]),
        (DIRECTORY, [Secret(KEPT / "redis_url", 0o644, 0)], FAIL, ["(mode 0644)", "chmod 600"]),
        (DIRECTORY, [Secret(KEPT / "redis_url", 0o600, 1000)], FAIL, ["chown root:root"]),
        (Secret(KEPT, 0o755, 0), [], WARN, ["mode 0755", "chmod 700"]),
        (None, [Secret(TOML, 0o644, 0, "webhook_url")], WARN, ["webhook_url in", "credentials/webhook_url"]),
        (None, [Secret(TOML, 0o600, 0, "webhook_url")], OK, []),
    ],
)
def test_credentials(directory: Secret | None, files: list[Secret], verdict: Verdict, words: list[str]) -> None:
    judged(credentials.judge(directory, files), verdict, *words)


def test_secrets_in_settings_are_found(tmp_path: Path) -> None:
    file = tmp_path / "alertd.toml"
    told = 'redis_url = "redis://localhost"\ntimescale_url = "postgresql://u:p@h/d"\nwebhook_url = "https://h/secret"\n'
    file.write_text(told)
    file.chmod(0o644)
    assert [(one.field, one.mode) for one in credentials._in_settings(file)] == [
        ("timescale_url", 0o644),
        ("webhook_url", 0o644),
    ]
    assert credentials._in_settings(tmp_path / "not there") == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_versions() -> None:
    judged(versions.judge("1.2", 100.0, {"alertd": 200.0, "gatewayd": 101.0}, by_systemd=True), OK, "1.2")
    old: dict[str, float | None] = {"alertd": 200.0, "gatewayd": 99.0}
    judged(versions.judge("1.2", 100.0, old, by_systemd=True), WARN, "since gatewayd started", "restart sysmon.target")
    judged(versions.judge("1.2", 100.0, old, by_systemd=False), WARN, "Ctrl-C")
    judged(versions.judge("1.2", None, {"alertd": 200.0}, by_systemd=True), UNSEEN)
    assert versions.judge("1.2", 100.0, {}, by_systemd=True) == []


def test_where_the_services_are_started_from(tmp_path: Path) -> None:
    assert versions.judge_place("alertd", str(commands() / "sysmon-alertd")) is None
    assert versions.judge_place("alertd", "") is None
    (other := tmp_path / "sysmon-alertd").touch()
    elsewhere = versions.judge_place("alertd", str(other))
    gone = versions.judge_place("alertd", str(tmp_path / "gone"))
    assert elsewhere
    assert gone
    judged(elsewhere, WARN, f"starts alertd from {tmp_path}", f"{tmp_path}/sysmonctl doctor")
    judged(gone, FAIL, "which is not there")


NOW = 1_000_000.0
ROOMY = Room(Path("/var"), 100 * GIB, 50 * GIB)


@pytest.mark.parametrize(
    ("spooled", "verdict", "words"),
    [
        (Spool(Path("/s"), 4 * MIB, NOW - 9000, ROOMY), OK, []),
        (Spool(Path("/s"), 40 * MIB, NOW - 60, ROOMY), OK, []),
        (Spool(Path("/s"), 40 * MIB, NOW - 7200, ROOMY), WARN, ["40 MiB of samples wait", "for 2h 0m", "the hub"]),
        (Spool(Path("/s"), 450 * MIB, NOW - 60, ROOMY), FAIL, ["nearly full"]),
        (Spool(Path("/s"), 0, NOW, Room(Path("/s"), GIB, 200 * MIB)), FAIL, ["keeps nothing more: only 200 MiB"]),
        (Spool(Path("/s"), 0, NOW, Room(Path("/s"), GIB, GIB, read_only=True)), FAIL, ["read-only", "findmnt"]),
    ],
)
def test_the_spool(spooled: Spool, verdict: Verdict, words: list[str]) -> None:
    judged(spool.judge(spooled, 512 * MIB, 256 * MIB, NOW), verdict, *words)


@pytest.mark.parametrize(
    ("room", "verdict", "words"),
    [
        (ROOMY, OK, ["50.0 GiB at least"]),
        (Room(Path("/var"), 100 * GIB, 3 * GIB), OK, []),
        (Room(Path("/var"), 15 * GIB, GIB), WARN, ["nearly full: 1.0 GiB", "du -xh"]),
        (Room(Path("/var"), 100 * GIB, GIB), FAIL, ["is full: 1.0 GiB"]),
        (Room(Path("/var"), 2 * GIB, 255 * MIB), FAIL, ["is full: 255 MiB"]),
        (Room(Path("/var"), 100 * GIB, 50 * GIB, files_left=False), FAIL, ["no more files"]),
    ],
)
def test_disks(room: Room, verdict: Verdict, words: list[str]) -> None:
    judged(disk.judge_room([room]), verdict, *words)
    judged(disk.judge_room([ROOMY, room]), verdict)


@pytest.mark.parametrize(("most", "verdict"), [(65536, OK), (4096, OK), (1024, WARN), (None, UNSEEN)])
def test_descriptors(most: int | None, verdict: Verdict) -> None:
    judged(descriptors.judge("aggregatord", most, by_systemd=True), verdict)


@pytest.mark.parametrize(
    ("reserved", "verdict", "words"),
    [
        ("", WARN, ["port 50051", "ip_local_reserved_ports = 50051'"]),
        ("8080\n", WARN, ["ip_local_reserved_ports = 8080,50051'"]),
        ("50051\n", OK, []),
        ("8080,50000-50100\n", OK, []),
    ],
)
def test_ports(reserved: str, verdict: Verdict, words: list[str]) -> None:
    judged(ports.judge("32768\t60999\n", reserved, [8000, 50051]), verdict, *words)
    judged(ports.judge("51000\t60999\n", reserved, [8000, 50051]), OK)


def test_accounts_and_the_journal() -> None:
    named = "passwd:  files systemd\ngroup: files systemd\n"
    judged(accounts.judge(named, has_library=True), OK)
    judged(accounts.judge(named, has_library=False), FAIL, "apt install libnss-systemd")
    judged(accounts.judge("passwd: files\n", has_library=True), FAIL, "/etc/nsswitch.conf")
    judged(accounts.judge("", has_library=False), FAIL, "apt install libnss-systemd")
    judged(journal.judge(persistent=True, has_fields=True), OK, "SYSMON_MACHINE")
    judged(journal.judge(persistent=True, has_fields=False), OK, "python3-systemd")
    judged(journal.judge(persistent=False, has_fields=True), WARN, "journalctl --flush")


def test_a_finding_is_a_line_and_its_fixes_are_below_it() -> None:
    shown = lines("redis", fail("it is\x1b[2J ill", "cure it", "or not"), colours=False)
    assert shown[0] == "fail  redis          it is\\x1b[2J ill"
    assert [one.strip() for one in shown[1:]] == ["cure it", "or not"]
    assert "\x1b" in lines("redis", ok("well"), colours=True)[0]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], 0),
        ([ok("a"), unseen("b")], 0),
        ([ok("a"), warn("b", "c")], 1),
        ([fail("a", "b"), warn("b", "c"), ok("d")], 2),
    ],
)
def test_the_exit_status_is_the_worst(found: list[Finding], expected: int) -> None:
    assert status([("check", one) for one in found]) == expected
