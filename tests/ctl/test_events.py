"""`sysmonctl events`, against a real gateway on a real database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from sysmonstm.ctl.events import Event, line
from tests.gatewayd.running_gateway import RunningGateway, serving
from tests.shared.real_server import until

HOSTILE = "nginx\x1b[2J\x1b]0;owned\x07 has failed\n"


@pytest.fixture
async def gateway(redis_url: str, database_url: str) -> AsyncIterator[RunningGateway]:
    async with serving(redis_url, database_url) as gateway:
        yield gateway


def happen(database_url: str, kind: str, machine: str | None, message: str, severity: str = "info") -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO events (time, kind, severity, machine, message, fields)"
            " VALUES ('2026-01-02 03:04:05Z', %s, %s, %s, %s, '{\"unit\": \"nginx.service\"}')",
            (kind, severity, machine, message),
        )


def started(url: str, *arguments: str, output: int | Path = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sysmonstm.ctl", "events", *arguments]
    stdout = output.open("w") if isinstance(output, Path) else output
    environment = os.environ | {"SYSMON_URL": url, "TZ": "UTC"}
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


async def said(url: str, *arguments: str) -> tuple[list[str], str]:
    output, errors = await asyncio.to_thread(started(url, *arguments).communicate)
    return output.splitlines(), errors


async def test_what_happened_is_printed_oldest_first_and_nothing_reaches_the_terminal(
    gateway: RunningGateway, database_url: str
) -> None:
    url = str(gateway.server.make_url(""))
    assert await said(url) == ([], "")
    happen(database_url, "machine.new", "web1", "web1 has joined the fleet")
    happen(database_url, "alert.firing", None, "everything is ill", "critical")
    happen(database_url, "unit.failed", "web2", HOSTILE, "warning")
    lines, _ = await said(url)
    assert lines == [
        "2026-01-02 03:04:05  info      web1              web1 has joined the fleet",
        "2026-01-02 03:04:05  critical  -                 everything is ill",
        "2026-01-02 03:04:05  warning   web2              nginx\\x1b[2J\\x1b]0;owned\\x07 has failed\\n",
    ]
    assert (await said(url, "--machine", "web1"))[0] == lines[:1]
    assert (await said(url, "-n", "2"))[0] == lines[1:]
    (shown,), _ = await said(url, "--machine=web2", "--json")
    assert shown.isprintable()
    answer = await gateway.get("/api/events?machine=web2")
    assert [json.loads(shown)] == answer["events"]


async def test_what_happens_is_printed_as_it_happens_once_and_also_after_the_gateway_was_away(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    output = tmp_path / "output"

    def lines() -> list[str]:
        return [text.split("  ")[-1] for text in output.read_text().splitlines()]

    async with serving(redis_url, database_url) as gateway:
        port = gateway.server.port
        for number in range(4):
            happen(database_url, "unit.failed", "web1", f"before {number}")
        following = started(str(gateway.server.make_url("")), "--follow", "--lines=2", output=output)
        await until("the newest are printed", lambda: lines() == ["before 2", "before 3"])
        happen(database_url, "unit.failed", "web1", "first")
        await until("so is what happens", lambda: lines()[2:] == ["first"])
    happen(database_url, "unit.failed", "web1", "while it was away")
    async with serving(redis_url, database_url, port=port):
        happen(database_url, "unit.failed", "web1", "after that")
        await until("nothing is missed", lambda: lines()[3:] == ["while it was away", "after that"])
        following.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(following.communicate)
    assert (following.returncode, errors) == (0, "")


async def test_where_no_gateway_answers_one_line_says_so(unused_url: str) -> None:
    lines, errors = await said(unused_url, "--follow")
    assert lines == []
    assert errors.startswith(f"sysmonctl: no gateway at {unused_url} (Connection refused)")
    assert len(errors.splitlines()) == 1


@pytest.fixture
def unused_url() -> str:
    return "http://127.0.0.1:1"


def test_colours_are_for_what_matters() -> None:
    event = Event(1, 0.0, "critical", "web1", "ill", {})
    assert line(event, colours=True) == f"\x1b[1;31m{line(event, colours=False)}\x1b[0m"
    assert "\x1b" not in line(Event(1, 0.0, "info", "web1", "well", {}), colours=True)
