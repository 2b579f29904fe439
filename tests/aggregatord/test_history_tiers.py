"""Frames of minutes that are rolled up already, or dropped."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import AsyncConnection

from sysmonstm.aggregatord.history.locks import CLAIM_LOCK
from tests.aggregatord.history_batches import batch_of, session
from tests.aggregatord.history_database import (
    CURSOR,
    MINUTE_US,
    NOON_US,
    at,
    moment,
    rows,
    set_tiers,
)
from tests.aggregatord.history_recorder import settle, writing
from tests.editions import each_edition
from tests.shared.real_server import until

pytestmark = each_edition


MARKS = "SELECT m.name, d.time FROM dirty_minutes d JOIN machines m ON m.id = d.machine ORDER BY 1, 2"


async def test_frames_of_claimed_minutes_mark_them_and_others_do_not(database_url: str) -> None:
    set_tiers(database_url, claimed=NOON_US + 3 * MINUTE_US, kept_from=NOON_US)
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(session(), [1], start_us=NOON_US + 3 * MINUTE_US))
        assert rows(database_url, MARKS) == []
        batches = [
            batch_of(session("web1"), [0, 1, 59, 60, 179, 180, 182], start_us=NOON_US),
            batch_of(session("web2"), [119, 200], start_us=NOON_US),
        ]
        await settle(writer, recorder, *batches)
        marked = [("web1", NOON_US), ("web1", NOON_US + MINUTE_US), ("web1", NOON_US + 2 * MINUTE_US)]
        expected = [*marked, ("web2", NOON_US + MINUTE_US)]
        assert rows(database_url, MARKS) == [(name, moment(time_us)) for name, time_us in expected]
        # What was there already changes no minute; what is new beside it does.
        with psycopg.connect(database_url) as connection:
            connection.execute("DELETE FROM dirty_minutes")
        await settle(writer, recorder, batch_of(session("web1"), [59, 60, 61], start_us=NOON_US))
        assert rows(database_url, MARKS) == [("web1", moment(NOON_US + MINUTE_US))]
    assert rows(database_url, "SELECT 1 FROM late_frames") == []
    assert rows(database_url, "SELECT count(*) FROM frames") == [(11,)]


LATE = "SELECT time, values[1]::bigint FROM late_frames ORDER BY time"


async def test_frames_that_came_too_late_for_their_tier_are_kept_apart_once(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [1, 2, 3], start_us=NOON_US))
        set_tiers(database_url, claimed=NOON_US + 2 * MINUTE_US, kept_from=NOON_US + MINUTE_US)
        with psycopg.connect(database_url) as connection:
            # They were counted into minutes and dropped: only the cursor knows of them.
            connection.execute("DELETE FROM frames")
            connection.execute("DELETE FROM dirty_minutes")
        batch = batch_of(of, [1, 2, 3, 4, 5, 60, 61], start_us=NOON_US)
        await settle(writer, recorder, batch)
        assert rows(database_url, LATE) == [(at(4), 4), (at(5), 5)]
        assert rows(database_url, "SELECT values[1]::bigint FROM frames ORDER BY time") == [(60,), (61,)]
        assert rows(database_url, MARKS) == [("web1", moment(NOON_US + MINUTE_US))]
        with psycopg.connect(database_url) as connection:
            connection.execute("DELETE FROM late_frames")
        await settle(writer, recorder, batch_of(of, [4, 5, 60, 61], start_us=NOON_US))
        assert rows(database_url, LATE) == []
    assert rows(database_url, CURSOR) == [(61, at(61))]


async def test_a_writer_waits_for_whoever_moves_the_claim_and_then_marks(database_url: str) -> None:
    set_tiers(database_url, claimed=NOON_US)
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ShareLock'"
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(session(), [1], start_us=NOON_US))
        async with await AsyncConnection.connect(database_url) as roll_up:
            await roll_up.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
            writer.offer(batch := batch_of(session(), [2], start_us=NOON_US))
            await until("the writer waits", lambda: bool(rows(database_url, waiting)))
            assert rows(database_url, "SELECT count(*) FROM frames") == [(1,)]
            await roll_up.execute("UPDATE tiers SET claimed = %s WHERE name = 'minute'", (at(60),))
        await until("it is settled", lambda: recorder.is_settled(batch))
    assert rows(database_url, MARKS) == [("web1", moment(NOON_US))]


async def test_whoever_moves_the_claim_waits_for_the_writers_before_it(database_url: str) -> None:
    """A writer that has read the tiers holds the lock until its frames can be seen."""
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(session(), [1], start_us=NOON_US))
        async with await AsyncConnection.connect(database_url) as blocker:
            # The writer will want to move this row, at the very end of its transaction.
            await blocker.execute("SELECT FROM streams FOR UPDATE")
            writer.offer(batch := batch_of(session(), [2], start_us=NOON_US))
            held = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            await until("the writer has come to its end", lambda: bool(rows(database_url, held)))
            with psycopg.connect(database_url) as roll_up:
                roll_up.execute("SET lock_timeout = '200ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    roll_up.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
        await until("it is settled", lambda: recorder.is_settled(batch))
