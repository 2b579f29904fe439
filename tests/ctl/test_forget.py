"""`sysmonctl forget`, as a process, on a real database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sysmonstm.config import UserError
from sysmonstm.ctl import servers
from sysmonstm.ctl.forget import Size, database_url
from tests.gatewayd.fleet_publisher import LAYOUT, HistoryWriter
from tests.people.kept_history import write

START = 1_700_000_000


def sysmonctl_forget(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "TIMESCALE_URL"} | settings
    command = [sys.executable, "-m", "sysmonstm.ctl", "forget", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


@pytest.fixture
def writer(database_url: str) -> Iterator[HistoryWriter]:
    writer = HistoryWriter(database_url)
    yield writer
    writer.close()


def machine(writer: HistoryWriter, name: str, quiet: float, interval: float = 5.0) -> int:
    """A machine whose newest sample was stored `quiet` seconds ago, whatever its own clock said."""
    number = writer.machine(name, interval)
    stream, _ = writer.stream(number, START)
    writer.connection.execute(
        "UPDATE streams SET moved = now() - make_interval(secs => %s) WHERE id = %s", (quiet, stream)
    )
    return number


def names(writer: HistoryWriter) -> list[str]:
    return [row[0] for row in writer.connection.execute("SELECT name FROM machines ORDER BY name")]


def test_a_silent_machine_is_forgotten_and_what_goes_is_said(writer: HistoryWriter, database_url: str) -> None:
    layout = writer.layout(LAYOUT)
    for name in ("old", "kept"):
        number = machine(writer, name, quiet=40)
        for second in range(1500):
            writer.frame(number, layout, START + second, [1, 2, 3, 4])
    done = sysmonctl_forget("old", TIMESCALE_URL=database_url)
    said = "old is forgotten; 1,500 samples, 0 minutes and 0 hours of history will be deleted in the background\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert names(writer) == ["kept"]
    assert writer.connection.execute("SELECT name FROM forgotten").fetchall() == [("old",)]


def test_all_tiers_are_counted(database_url: str) -> None:
    write(database_url, 1)
    with psycopg.connect(database_url) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            for table in ("frames", "minutes", "hours")
        ]
    expected = Size(*(row[0] for row in counts if row))
    assert expected.minutes > 100
    done = sysmonctl_forget("web1", "--force", TIMESCALE_URL=database_url)
    assert done.stdout == f"web1 is forgotten; {expected} will be deleted in the background\n"


@pytest.mark.parametrize(
    ("interval", "quiet", "sends"), [(5, 0, True), (5, 25, True), (5, 35, False), (60, 170, True), (60, 190, False)]
)
def test_one_that_still_sends_by_the_hubs_clock_is_kept_unless_forced(
    writer: HistoryWriter, database_url: str, interval: float, quiet: float, sends: bool
) -> None:
    machine(writer, "web1", quiet, interval)
    done = sysmonctl_forget("web1", TIMESCALE_URL=database_url)
    assert done.returncode == sends
    if sends:
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "web1 still sends" in done.stderr and "stop its collector first and wait" in done.stderr
        assert names(writer) == ["web1"]
        assert sysmonctl_forget("web1", "--force", TIMESCALE_URL=database_url).returncode == 0
    assert names(writer) == []


def test_one_that_has_only_called_still_sends(writer: HistoryWriter, database_url: str) -> None:
    machine(writer, "web1", quiet=0)
    writer.connection.execute("UPDATE streams SET durable_seq = 0")
    assert "web1 still sends" in sysmonctl_forget("web1", TIMESCALE_URL=database_url).stderr


@pytest.mark.parametrize(
    ("name", "hint"), [("wbe-1", "did you mean web-1"), ("zzz", "`sysmonctl machines` prints those there are")]
)
def test_an_unknown_name_is_one_line_with_what_may_have_been_meant(
    writer: HistoryWriter, database_url: str, name: str, hint: str
) -> None:
    for known in ("web-1", "db-1"):
        machine(writer, known, quiet=100)
    done = sysmonctl_forget(name, TIMESCALE_URL=database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"sysmonctl: no machine is named {name}; {hint}")
    assert done.stderr.count("\n") == 1
    assert names(writer) == ["db-1", "web-1"]


def test_a_database_that_does_not_answer_is_one_line(state: Path) -> None:
    done = sysmonctl_forget("web1", TIMESCALE_URL=f"postgresql:///monitor?host={state}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "set TIMESCALE_URL as the daemons have it" in done.stderr


def test_an_address_with_a_password_that_is_not_understood_is_not_quoted() -> None:
    done = sysmonctl_forget("web1", TIMESCALE_URL="postgresql://monitor:secret@localhost/monitor?nonsense=1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "secret" not in done.stderr


def test_a_database_without_a_schema_says_who_makes_it(empty_database_url: str) -> None:
    done = sysmonctl_forget("web1", TIMESCALE_URL=empty_database_url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "sysmon-aggregatord makes it" in done.stderr


def test_with_a_running_up_its_private_database_is_the_one(state: Path) -> None:
    with servers.postgres(state) as server:
        url = database_url(state, state, {})
        with psycopg.connect(url) as connection, psycopg.connect(server.url) as same:
            ask = "SELECT system_identifier FROM pg_control_system()"
            assert connection.execute(ask).fetchone() == same.execute(ask).fetchone()
        assert database_url(None, state, {}) == url
        assert database_url(None, state, {"TIMESCALE_URL": "dbname=other"}) == "dbname=other"
        # What is said on the command line comes before what is in the environment.
        assert database_url(state, state, {"TIMESCALE_URL": "dbname=other"}) == url
    assert "localhost" in database_url(None, state, {})
    with pytest.raises(UserError, match="no `sysmonctl up` runs"):
        database_url(state, state, {})
