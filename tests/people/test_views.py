"""The views `latest` and `fleet`."""

from __future__ import annotations

import math
import time

import psycopg
import pytest

from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, HistoryWriter
from tests.people.kept_history import moment

START = 1_700_000_000


def _latest(connection: psycopg.Connection, machine: str = "web1") -> dict[tuple[str, str], object]:
    rows = connection.execute("SELECT metric, instance, value FROM latest WHERE machine = %s", (machine,)).fetchall()
    return {(metric, instance): value for metric, instance, value in rows}


def test_latest_is_the_newest_sample_of_each_machine_by_name(
    writer: HistoryWriter, connection: psycopg.Connection
) -> None:
    before, after = writer.layout(LAYOUT), writer.layout(OTHER_LAYOUT)
    for name in ("web1", "web2"):
        machine = writer.machine(name)
        stream, _ = writer.stream(machine, START + 5)
        writer.frame(machine, before, START, [1, 2, 3, 4], stream)
        writer.frame(machine, after, START + 5, [10, 20, math.nan, 40], stream)
    assert _latest(connection) == {
        ("network.received", "eth0"): 10,
        ("filesystem.percent", "/"): 20,
        ("filesystem.percent", "/srv"): None,
        ("cpu.percent", ""): 40,
    }
    rows = connection.execute("SELECT DISTINCT machine, time FROM latest ORDER BY 1").fetchall()
    assert rows == [("web1", moment(START + 5)), ("web2", moment(START + 5))]
    assert connection.execute("SELECT unit FROM latest WHERE metric = 'network.received'").fetchone() == ("bytes/s",)


def test_a_clock_that_was_ahead_leaves_no_old_sample_on_top(
    writer: HistoryWriter, connection: psycopg.Connection
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    stream, _ = writer.stream(machine, START + 5)
    writer.frame(machine, layout, START + 3600, [1, 0, 0, 0], stream)
    writer.frame(machine, layout, START + 5, [2, 0, 0, 0], stream)
    assert _latest(connection)["cpu.percent", ""] == 2


def test_after_a_gap_at_the_end_latest_is_the_newest_that_was_stored(
    writer: HistoryWriter, connection: psycopg.Connection
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    stream, _ = writer.stream(machine)
    for number in (1, 2):
        writer.frame(machine, layout, START + number, [number, 0, 0, 0], stream)
    assert _latest(connection)["cpu.percent", ""] == 2


@pytest.mark.parametrize(
    ("interval", "quiet", "state"), [(5, 0, "up"), (5, 14, "up"), (5, 16, "silent"), (1, 9, "up"), (1, 11, "silent")]
)
def test_fleet_says_who_is_silent_by_the_hubs_clock(
    writer: HistoryWriter, connection: psycopg.Connection, interval: float, quiet: float, state: str
) -> None:
    machine = writer.machine("web1", interval)
    # Its own clock is years behind.
    writer.stream(machine, START)
    connection.execute("UPDATE streams SET moved = now() - make_interval(secs => %s)", (quiet,))
    connection.execute("UPDATE machines SET skew_seconds = -7")
    row = connection.execute(
        "SELECT machine, state, time, extract(epoch FROM stored)::float8, interval_seconds, skew_seconds,"
        " agent_version, facts FROM fleet"
    ).fetchone()
    assert row is not None
    assert row[:3] == ("web1", state, moment(START))
    assert abs(row[3] - (time.time() - quiet)) < 60
    assert row[4:] == (interval, -7, "0.1.0", {})


def test_fleet_finds_machines_by_their_tags(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    for name in ("web1", "db1"):
        writer.machine(name)
    connection.execute("UPDATE machines SET tags = ARRAY['web', 'prod'] WHERE name = 'web1'")
    assert connection.execute("SELECT machine, tags FROM fleet ORDER BY 1").fetchall() == [
        ("db1", []),
        ("web1", ["web", "prod"]),
    ]
    assert connection.execute("SELECT machine FROM fleet WHERE 'web' = ANY (tags)").fetchall() == [("web1",)]


def test_fleet_has_a_machine_that_has_not_sent_anything_yet(
    writer: HistoryWriter, connection: psycopg.Connection
) -> None:
    writer.machine("new")
    rows = connection.execute("SELECT machine, state, time, stored FROM fleet").fetchall()
    assert rows == [("new", "silent", None, None)]


def test_everything_for_people_says_what_it_is(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT proname, obj_description(oid, 'pg_proc') FROM pg_proc"
        " WHERE proname IN ('history', 'history_tiers', 'forget_machine')"
        " UNION ALL SELECT relname, obj_description(oid, 'pg_class') FROM pg_class WHERE relname IN ('latest', 'fleet')"
    ).fetchall()
    assert len(rows) == 5
    assert [name for name, comment in rows if not comment] == []
