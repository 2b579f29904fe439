"""Several aggregators that write the same at the same time."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import psycopg
import pytest

from sysmonstm.aggregatord.session import CheckedBatch
from tests.aggregatord.history_batches import STEP_US, batch_of, checked, session, shed
from tests.aggregatord.history_database import (
    DEADLOCKS,
    NOON_US,
    expected,
    rows,
    set_tiers,
    stored,
)
from tests.aggregatord.history_recorder import writing
from tests.aggregatord.samples import hello, layout
from tests.editions import each_edition
from tests.shared.real_server import until

pytestmark = each_edition


async def test_late_frames_of_two_aggregators_at_once_count_once(database_url: str) -> None:
    """As where a collector has moved on and the first aggregator still has its frames."""
    set_tiers(database_url, claimed=NOON_US + 3600 * STEP_US, kept_from=NOON_US + 3600 * STEP_US)
    machines = [f"web{number}" for number in range(8)]
    with psycopg.connect(database_url, autocommit=True) as roll_up:
        async with writing(database_url) as (one, heard), writing(database_url) as (other, heard_too):
            batches = []
            taken: list[tuple[int, int]] = []
            for turn in range(15):
                for writer, order in ((one, machines), (other, machines[::-1])):
                    for machine in order:
                        batch = batch_of(session(machine), range(3 * turn + 1, 3 * turn + 5), start_us=NOON_US)
                        batches.append(batch)
                        writer.offer(batch)
                await asyncio.sleep(0.02)
                # What the roll-up takes away is known by the cursors alone.
                taken += roll_up.execute("DELETE FROM late_frames RETURNING machine, values[1]::bigint").fetchall()
            await until(
                "all are settled", lambda: len(heard.settled_batches + heard_too.settled_batches) == len(batches)
            )
            taken += roll_up.execute("DELETE FROM late_frames RETURNING machine, values[1]::bigint").fetchall()
        assert len(taken) == len(set(taken)) == len(machines) * (3 * 14 + 4)
        assert roll_up.execute(DEADLOCKS).fetchone() == (0,)


async def test_the_same_batch_by_two_aggregators_at_once_is_stored_once(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (one, heard), writing(database_url) as (other, heard_too):
        for turn in range(20):
            seqs = range(10 * turn + 1, 10 * turn + 9)
            gap = shed(10 * turn + 9, 10 * turn + 10)
            both = [batch_of(of, seqs, gaps=[gap], start_us=NOON_US) for _ in range(2)]
            one.offer(both[0])
            other.offer(both[1])
            await until(
                "both are settled", lambda both=both: heard.is_settled(both[0]) and heard_too.is_settled(both[1])
            )
    assert rows(database_url, "SELECT count(*) FROM frames") == [(160,)]
    assert rows(database_url, "SELECT count(*), sum(last_seq - first_seq + 1) FROM gaps") == [(20, 40)]
    assert rows(database_url, "SELECT count(*) FROM events WHERE kind = 'samples.lost'") == [(20,)]


async def test_writers_that_make_the_same_chunks_at_once_do_not_fail(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each commit begins some days that no frame was of before, while others do, and holds keys that they want."""
    day_us, rng = 86_400_000_000, random.Random(5)
    batches: list[CheckedBatch] = []
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(writing(database_url)) for _ in range(4)]
        recorders = [recorder for _, recorder in pairs]
        await until("all are up", lambda: all(recorder.asked for recorder in recorders))
        for turn in range(8):
            # Machine and day run against each other, and all four have the same.
            days = rng.sample(range(6), 6)
            for writer, _ in pairs:
                for number, day in enumerate(days):
                    start = NOON_US + (6 * turn + day) * day_us
                    batches.append(
                        batch_of(session(f"web{number}"), range(10 * turn + 1, 10 * turn + 6), start_us=start)
                    )
                    writer.offer(batches[-1])
            await until("all are settled", lambda: sum(len(one.settled_batches) for one in recorders) == len(batches))
    assert rows(database_url, "SELECT count(*) FROM frames") == [(8 * 6 * 5,)]
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


async def test_two_writers_with_the_same_machines_neither_deadlock_nor_lose(database_url: str) -> None:
    """As where collectors have moved to another aggregator and the first still has their frames."""
    machines = [f"web{number}" for number in range(12)]
    rng = random.Random(7)
    batches: list[CheckedBatch] = []
    async with writing(database_url) as (one, heard), writing(database_url) as (other, heard_too):
        for turn in range(25):
            for writer, order in ((one, machines), (other, machines[::-1])):
                if rng.random() < 0.3:
                    writer.hello(hello(rng.choice(machines)))
                for machine in order:
                    batch = checked(machine, range(3 * turn + 1, 3 * turn + 7), layout(rng.randrange(6)))
                    batches.append(batch)
                    writer.offer(batch)
            await asyncio.sleep(rng.random() * 0.03)
        await until("all are settled", lambda: len(heard.settled_batches + heard_too.settled_batches) == len(batches))
    assert stored(database_url) == sorted(set(expected(*batches)))
    with psycopg.connect(database_url) as connection:
        assert connection.execute(DEADLOCKS).fetchone() == (0,)


async def test_a_stream_that_another_aggregator_is_about_to_write_does_not_deadlock(database_url: str) -> None:
    """It holds a frame that this one has too, and wants the stream's row next: where a collector has moved on."""
    first, second = checked("web1", [1]), checked("web1", [2, 3])
    async with writing(database_url) as (writer, recorder):
        writer.offer(first)
        await until("the first is settled", lambda: recorder.is_settled(first))
    with psycopg.connect(database_url) as other, psycopg.connect(database_url, autocommit=True) as looking:
        other.execute(
            "INSERT INTO frames SELECT time + interval '1 microsecond', machine, stream, layout, values FROM frames"
        )
        async with writing(database_url) as (writer, recorder):
            writer.offer(second)
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            await until("it waits for the other", lambda: bool(looking.execute(waiting).fetchall()))
            other.execute("SET LOCAL lock_timeout = '10 s'")
            other.execute("UPDATE streams SET durable_seq = 2")
            other.commit()
            await until("it is settled", lambda: recorder.is_settled(second))
        assert looking.execute(DEADLOCKS).fetchone() == (0,)
        assert looking.execute("SELECT durable_seq FROM streams").fetchone() == (3,)
