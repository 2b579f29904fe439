from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import psycopg
import pytest

from sysmonstm.aggregatord.history.connection import connected
from sysmonstm.aggregatord.rollup import sweep
from sysmonstm.aggregatord.rollup.compress import compress_a_chunk
from sysmonstm.aggregatord.rollup.retention import drop_old_rows, move_lines
from sysmonstm.aggregatord.rollup.round import storage_of
from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.config import UserError
from tests.aggregatord.rollup_model import START, Sent, reset, stored, write
from tests.aggregatord.rollup_rounds import DAY, HOUR, KEEP, roll_up
from tests.editions import PLAIN, TIMESCALEDB, each_edition

CHUNK = 6 * HOUR


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        reset(opened)
        yield opened


def send(connection: psycopg.Connection, start: float, stop: float, machine: int = 1, every: int = 1200) -> None:
    """A frame of that machine's every so many seconds."""
    stream = {1: 1, 2: 3}[machine]
    seconds = range(int(start), int(stop), every)
    with connection.transaction():
        frames = [Sent(machine, stream, second, second * 1_000_000, 1, (1.0, 2.0)) for second in seconds]
        write(connection, frames, commit=False)


def line(connection: psycopg.Connection, tier: str) -> float:
    row = connection.execute(
        "SELECT extract(epoch FROM kept_from)::float8 FROM tiers WHERE name = %s", (tier,)
    ).fetchone()
    assert row is not None
    return float(row[0])


def oldest(connection: psycopg.Connection, table: str) -> float | None:
    row = connection.execute(f"SELECT extract(epoch FROM min(time))::float8 FROM {table}".encode()).fetchone()
    assert row is not None
    return None if row[0] is None else float(row[0])


def count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def drop(url: str, now: float) -> None:
    """Retention alone, without the roll-up that comes before it."""
    async with connected(url) as rolling:
        await move_lines(rolling, KEEP, now)
        while await drop_old_rows(rolling, (await storage_of(rolling)).hypertables):
            pass


@each_edition
async def test_nothing_is_dropped_that_is_not_rolled_up_however_long_that_takes(
    database_url: str, connection: psycopg.Connection
) -> None:
    send(connection, START, START + DAY)
    before = count(connection, "frames")
    await drop(database_url, START + 10 * DAY)
    assert count(connection, "frames") == before
    assert line(connection, "raw") == START
    await roll_up(database_url, START + 10 * DAY)
    assert count(connection, "frames") == 0
    assert count(connection, "hours") == 24


@each_edition
async def test_a_marked_minute_keeps_its_frames_until_it_is_made_anew(
    database_url: str, connection: psycopg.Connection
) -> None:
    send(connection, START, START + DAY)
    connection.execute("UPDATE tiers SET claimed = to_timestamp(%s), done = claimed WHERE name = 'minute'", (START,))
    await roll_up(database_url, START + HOUR)
    connection.execute("UPDATE tiers SET claimed = to_timestamp(%s), done = to_timestamp(%s)", (START + 3 * DAY,) * 2)
    connection.execute("INSERT INTO dirty_minutes VALUES (1, to_timestamp(%s))", (START + 13 * HOUR + 60,))
    connection.execute("INSERT INTO dirty_hours VALUES (1, to_timestamp(%s))", (START + 2 * HOUR,))
    await drop(database_url, START + 3 * DAY)
    assert line(connection, "raw") == START + 13 * HOUR
    assert line(connection, "minute") == START + 2 * HOUR
    assert oldest(connection, "frames") is not None


@each_edition
async def test_each_tier_lasts_as_long_as_it_should(
    database_url: str, connection: psycopg.Connection, edition: str
) -> None:
    days = 5
    for day in range(days):
        send(connection, START + day * DAY, START + (day + 1) * DAY)
        send(connection, START + day * DAY, START + (day + 1) * DAY, machine=2)
        await roll_up(database_url, START + (day + 1) * DAY)
    now = START + days * DAY
    chunk = CHUNK if edition == TIMESCALEDB else 0
    assert line(connection, "raw") == now - KEEP.raw
    assert now - KEEP.raw - chunk <= (oldest(connection, "frames") or 0) <= now - KEEP.raw
    assert line(connection, "minute") == now - KEEP.minutes
    assert now - KEEP.minutes - (DAY if chunk else 0) <= (oldest(connection, "minutes") or 0) <= now - KEEP.minutes
    # All but the hour that is claimed last.
    assert count(connection, "hours") == 2 * (24 * days - 1)
    assert {row.samples for row in stored(connection, "hours").values()} == {3}
    # Past the end of the hours too.
    await roll_up(database_url, now + KEEP.hours + 60 * DAY)
    assert (count(connection, "frames"), count(connection, "minutes"), count(connection, "hours")) == (0, 0, 0)


@each_edition
async def test_a_setting_that_was_changed_is_obeyed_in_the_next_round(
    database_url: str, connection: psycopg.Connection
) -> None:
    send(connection, START, START + 3 * DAY)
    now = START + 3 * DAY + 60
    await roll_up(database_url, now, dataclasses.replace(KEEP, raw=2 * DAY, minutes=20 * DAY))
    assert line(connection, "raw") == START + DAY
    await roll_up(database_url, now, dataclasses.replace(KEEP, raw=DAY, minutes=20 * DAY))
    assert line(connection, "raw") == START + 2 * DAY
    left = count(connection, "frames")
    # What is gone does not come back: the line stays where it is until it is overtaken.
    longer = dataclasses.replace(KEEP, raw=2 * DAY, minutes=20 * DAY)
    await roll_up(database_url, now + 60, longer)
    assert (line(connection, "raw"), count(connection, "frames")) == (START + 2 * DAY, left)
    await roll_up(database_url, now + 3 * DAY, longer)
    assert line(connection, "raw") == START + 4 * DAY


@each_edition
async def test_no_tier_is_dropped_before_the_finer_one(database_url: str, connection: psycopg.Connection) -> None:
    """A mark in raw makes a minute, and that an hour, anew: what they are made of must be there."""
    send(connection, START, START + DAY)
    await roll_up(database_url, START + 2 * DAY, dataclasses.replace(KEEP, raw=2 * DAY, minutes=HOUR, hours=HOUR))
    assert line(connection, "raw") == line(connection, "minute") == line(connection, "hour") == START
    assert count(connection, "minutes") == 72


@pytest.mark.parametrize("edition", [PLAIN], indirect=True)
async def test_rows_are_deleted_a_bounded_number_at_a_time(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for machine in (1, 2):
        send(connection, START, START + DAY, machine)
    monkeypatch.setattr(sweep, "MACHINES", 1)
    connection.execute("UPDATE tiers SET kept_from = to_timestamp(%s) WHERE name = 'raw'", (START + 10 * HOUR,))
    left = [count(connection, "frames")]
    async with connected(database_url) as rolling:
        while await drop_old_rows(rolling, hypertables=False):
            left.append(count(connection, "frames"))
    assert left == list(range(144, 83, -3))


NEWS = """
INSERT INTO events (time, kind, severity, message) VALUES (to_timestamp({0}), 'x', 'info', 'x');
WITH transition AS (
    INSERT INTO alert_transitions
    VALUES (gen_random_uuid(), to_timestamp({0}), 'firing', '', '', '', '', 'info', 0, 0, now(), '') RETURNING id)
INSERT INTO notifications (transition, payload) SELECT id, '{{}}' FROM transition;
INSERT INTO gaps (machine, stream, first_seq, last_seq, reason, noted)
VALUES (1, 1, {0}, {0}, 'shed', to_timestamp({0}));
INSERT INTO rejects (machine, stream, seq, received, reason, time_us, values)
VALUES (1, 1, {0}, to_timestamp({0}), '', 0, '{{}}')
"""


@each_edition
async def test_news_last_as_long_as_hours_and_what_was_refused_as_long_as_minutes(
    database_url: str, connection: psycopg.Connection
) -> None:
    now = START + 100 * DAY
    for age in (HOUR, 2 * DAY, 40 * DAY):
        connection.execute(NEWS.format(now - age).encode())
    await roll_up(database_url, now)
    left = {"events": 2, "alert_transitions": 2, "notifications": 2, "gaps": 2, "rejects": 1}
    assert {table: count(connection, table) for table in left} == left


@each_edition
async def test_the_history_of_a_forgotten_machine_is_deleted_and_nobody_elses(
    database_url: str, connection: psycopg.Connection
) -> None:
    tables = ("frames", "minutes", "hours", "late_frames", "dirty_minutes", "dirty_hours", "gaps", "rejects")
    for machine in (1, 2):
        send(connection, START, START + 2 * DAY, machine)
    await roll_up(database_url, START + 2 * DAY + 10)
    for machine, stream in ((1, 1), (2, 3)):
        connection.execute(
            "INSERT INTO late_frames VALUES (to_timestamp(%s), %s, %s, 1, '{1,2}')", (START, machine, stream)
        )
    assert connection.execute("SELECT forget_machine('web1')").fetchone() == (True,)
    connection.execute("UPDATE forgotten SET time = to_timestamp(%s)", (START + 2 * DAY,))
    others = {table: _of(connection, table, 2) for table in tables}
    await roll_up(database_url, START + 2 * DAY + 60)
    assert {table: _of(connection, table, 1) for table in tables} == dict.fromkeys(tables, 0)
    # Its own late frame was counted, in an hour that was there already.
    assert {table: _of(connection, table, 2) for table in tables} == others | {"late_frames": 0}
    # Somebody who had not heard of it yet may have written a little more.
    assert connection.execute("SELECT deleted IS NULL FROM forgotten").fetchone() == (True,)
    connection.execute("INSERT INTO frames VALUES (to_timestamp(%s), 1, 1, 1, '{1,2}')", (START + 2 * DAY,))
    await roll_up(database_url, START + 2 * DAY + 200)
    assert connection.execute("SELECT deleted IS NULL FROM forgotten").fetchone() == (False,)
    assert _of(connection, "frames", 1) == 0
    await roll_up(database_url, START + 33 * DAY)
    assert count(connection, "forgotten") == 0


def _of(connection: psycopg.Connection, table: str, machine: int) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE machine = %s".encode(), (machine,)).fetchone()
    assert row is not None
    return int(row[0])


@each_edition
async def test_a_machine_that_is_silent_for_very_long_is_forgotten(
    database_url: str, connection: psycopg.Connection
) -> None:
    now = START + 1000 * DAY
    connection.execute("UPDATE machines SET first_seen = to_timestamp(%s)", (START,))
    connection.execute("UPDATE streams SET moved = to_timestamp(%s)", (now - 8 * DAY,))
    connection.execute("UPDATE streams SET moved = to_timestamp(%s) WHERE id = 2", (now - 6 * DAY,))
    keep = dataclasses.replace(KEEP, silent_machines=7 * DAY)
    await roll_up(database_url, now, keep)
    assert connection.execute("SELECT name FROM machines").fetchall() == [("web1",)]
    query = "SELECT machine FROM events WHERE kind = 'machine.forgotten'"
    assert connection.execute(query).fetchall() == [("web2",)]


@each_edition
async def test_compression_is_for_the_community_licence_only(database_url: str, edition: str) -> None:
    """The Apache edition would refuse the statement; it never gets it."""
    async with connected(database_url) as connection:
        storage = await storage_of(connection)
        assert storage.hypertables == (edition == TIMESCALEDB)
        assert not storage.compression
        if edition == TIMESCALEDB:
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                await compress_a_chunk(connection, START)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keep_raw_hours": 48, "keep_minutes_days": 2}, "AGGREGATOR_KEEP_MINUTES_DAYS"),
        ({"keep_minutes_days": 30, "keep_hours_days": 30}, "AGGREGATOR_KEEP_HOURS_DAYS"),
    ],
)
def test_a_tier_that_does_not_outlast_the_finer_one_is_refused(settings: dict[str, float], named: str) -> None:
    AggregatorSettings().check()
    with pytest.raises(UserError, match=named):
        AggregatorSettings(**settings).check()  # type: ignore[arg-type]  # only these
