"""`sysmonctl alerts`, `rules` and `test-notification`, asked of a real alertd."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sysmonstm.config import UserError
from sysmonstm.ctl.alerts import Alert, table
from sysmonstm.ctl.control import ask, control_socket
from sysmonstm.ctl.rules import table as rules_table
from tests.alertd.alertd_process import RULES, Aggregator, Alertd, Receiver, Starter, now, state_is, until
from tests.alertd.conftest import receiver

__all__ = ["receiver"]

NOBODY = 65534


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for alertd in starter.started:
        await alertd.stop()


async def sysmonctl(alertd: Alertd | Path, *arguments: str, user: int | None = None) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    path = alertd.control if isinstance(alertd, Alertd) else alertd
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sysmonstm.ctl", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"SYSMON_ALERTD": str(path)},
        user=user,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_alerts_prints_what_fires_and_with_all_what_is_pending(
    redis_url: str, database_url: str, start: Starter
) -> None:
    pending = RULES + '[rules.later]\nmetric = "cpu.percent"\nthreshold = 50\nfor = "2h"\n'
    alertd = await start(redis_url, database_url, rules=pending)
    await alertd.said("alertd.started")
    assert (await sysmonctl(alertd, "alerts"))[1] == "nothing fires\n"
    await Aggregator(redis_url).until(95, lambda: now(alertd.log("alert.firing")))
    status, output, _ = await sysmonctl(alertd, "alerts")
    lines = output.splitlines()
    assert (status, len(lines)) == (0, 2)
    assert lines[0].split() == ["STATE", "SEVERITY", "MACHINE", "RULE", "FOR", "WHAT"]
    assert lines[1].startswith("firing  critical  web1     hot")
    assert "web1: cpu.percent is 95%, above 90%" in lines[1]
    everything = (await sysmonctl(alertd, "alerts", "--all"))[1].splitlines()
    assert len(everything) == 3 and "(fires in 1h 59m)" in everything[2]
    said = json.loads((await sysmonctl(alertd, "alerts", "--all", "--json"))[1])
    assert [one["state"] for one in said["alerts"]] == ["firing", "pending"]


async def test_rules_prints_them_and_checks_a_file(
    redis_url: str, database_url: str, start: Starter, tmp_path: Path
) -> None:
    alertd = await start(redis_url, database_url, rules='[rules.cpu-high]\ninstance = "x*"\nfor = 90')
    await alertd.said("alertd.started")
    lines = (await sysmonctl(alertd, "rules"))[1].splitlines()
    assert lines[0].split()[:3] == ["RULE", "SOURCE", "SEVERITY"]
    (changed,) = [line for line in lines if line.startswith("cpu-high")]
    assert "changed" in changed and "cpu.percent of x* > 90, clear at 80" in changed and "1m 30s" in changed
    (silent,) = [line for line in lines if line.startswith("machine-silent")]
    assert "no samples" in silent
    assert len(json.loads((await sysmonctl(alertd, "rules", "--json"))[1])["rules"]) == len(lines) - 1
    file = tmp_path / "new.toml"
    file.write_text(RULES)
    assert (await sysmonctl(alertd, "rules", "--check", str(file)))[:2] == (0, f"{file} is good: 1 rules would hold\n")
    file.write_text('[rules.x]\nmetric = "a.b"\n')
    status, _, errors = await sysmonctl(alertd, "rules", "--check", str(file))
    assert status == 1 and "is not good: the file: rule x: threshold is missing" in errors and errors.count("\n") == 1
    status, _, errors = await sysmonctl(alertd, "rules", "--check", str(tmp_path / "none"))
    assert status == 1 and "cannot be read" in errors


async def test_a_test_notification_says_how_it_went(
    redis_url: str, database_url: str, start: Starter, receiver: Receiver
) -> None:
    alertd = await start(redis_url, database_url, receiver.url)
    await alertd.said("alertd.started")
    status, output, _ = await sysmonctl(alertd, "test-notification")
    assert status == 0 and "http://127.0.0.1 took the test notification: 200" in output
    receiver.statuses = [500]
    status, _, errors = await sysmonctl(alertd, "test-notification")
    assert status == 1 and "answered 500" in errors and "verysecret" not in errors


async def test_without_a_webhook_a_test_is_refused_with_the_setting(
    redis_url: str, database_url: str, start: Starter
) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    status, _, errors = await sysmonctl(alertd, "test-notification")
    assert status == 1 and "ALERTS_WEBHOOK_URL" in errors and errors.count("\n") == 1


def test_who_may_not_ask_is_told_how_to(server_directory: Path) -> None:
    path = server_directory / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o660 if os.geteuid() == 0 else 0)
        with _as_nobody(), pytest.raises(UserError, match="usermod -aG sysmon"):
            ask(path, "GET", "/status")


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Be nobody, in no group; whoever is not root stays who they are."""
    if os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


async def test_nobody_and_strangers_are_one_line(tmp_path: Path) -> None:
    status, _, errors = await sysmonctl(tmp_path / "none", "alerts")
    assert status == 1 and "nobody listens at" in errors and "sysmonctl up" in errors and errors.count("\n") == 1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail ready\r\n")
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "mail"):
        status, _, errors = await sysmonctl(tmp_path / "mail", "rules")
    assert status == 1 and "is no sysmon-alertd" in errors and errors.count("\n") == 1


def test_the_socket_is_the_one_that_was_named_or_else_that_of_up(tmp_path: Path) -> None:
    own = tmp_path / "run" / "alertd.sock"
    assert control_socket(tmp_path, tmp_path, {"SYSMON_ALERTD": "/x"}) == own
    for given in ("/x/s", "unix:/x/s"):
        assert control_socket(None, tmp_path, {"SYSMON_ALERTD": given}) == Path("/x/s")
    with pytest.raises(UserError, match="SYSMON_ALERTD"):
        control_socket(None, tmp_path, {"SYSMON_ALERTD": "x/s"})
    own.parent.mkdir()
    own.touch()
    hosts = Path("/run/sysmon/alertd.sock")
    assert control_socket(None, tmp_path, {}) == (hosts if hosts.exists() else own)


def test_what_machines_say_cannot_move_the_terminal() -> None:
    evil = "\x1b[2J\n"
    lines = table([Alert(evil, evil, evil, evil, 0.0, None, evil)], 5.0)
    lines += rules_table([{"rule": evil, "metric": evil, "for_seconds": 1.0}])
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


async def test_a_whole_file_may_come_from_standard_input(redis_url: str, database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sysmonstm.ctl", "rules", "--check", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SYSMON_ALERTD": str(alertd.control)},
    )
    output, _ = await process.communicate(b"defaults = false\n")
    assert output == b"- is good: 0 rules would hold\n"
    await until(state_is(database_url, None))
