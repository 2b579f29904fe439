"""What one commit leaves in the database, on each edition."""

from __future__ import annotations

import asyncio
import math

from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.session import CheckedBatch, RejectedFrame
from tests.aggregatord.history_batches import STEP_US, batch_of, rejected_frame, session, shed
from tests.aggregatord.history_database import CURSOR, NOON_US, at, rows
from tests.aggregatord.history_recorder import Recorder, settle, writing
from tests.aggregatord.samples import frame, hello
from tests.editions import each_edition
from tests.shared.real_server import until

pytestmark = each_edition


async def test_the_cursor_moves_with_the_newest_frame_and_never_back(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [1, 2, 3], start_us=NOON_US))
        assert rows(database_url, CURSOR) == [(3, at(3))]
        moved = rows(database_url, "SELECT moved FROM streams")
        await settle(writer, recorder, batch_of(of, [1, 2], start_us=NOON_US))
        assert rows(database_url, CURSOR) == [(3, at(3))]
        assert rows(database_url, "SELECT moved FROM streams") == moved
        await settle(writer, recorder, batch_of(of, [4], gaps=[shed(5, 9)], start_us=NOON_US))
        assert rows(database_url, CURSOR) == [(9, None)]
        assert rows(database_url, "SELECT moved FROM streams") > moved
        await settle(writer, recorder, batch_of(of, [10], start_us=NOON_US))
        assert rows(database_url, CURSOR) == [(10, at(10))]


async def test_a_hello_is_answered_with_the_cursor_of_its_own_stream(database_url: str) -> None:
    """Two hosts that go by one name have a stream each."""
    one, other = session(), session(stream=b"other")
    time_us = NOON_US + 123_457
    batch = batch_of(one, [7], start_us=time_us)
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch)
        assert recorder.cursors == []
        writer.hello(one.hello)
        writer.hello(other.hello)
        await until("both are answered", lambda: len(recorder.cursors) == 2)
    assert sorted(recorder.cursors) == sorted([(one.stream, 7, time_us + 7 * STEP_US), (other.stream, 0, 0)])


async def test_a_hello_is_answered_with_the_cursor_as_it_was_before_what_followed_it(database_url: str) -> None:
    """What a collector sends from an old copy of its spool would hide that it does."""
    told: list[tuple[str, int]] = []

    class InOrder(Recorder):
        def cursor(self, stream: bytes, durable_seq: int, time_us: int) -> None:
            told.append(("cursor", durable_seq))

        def settled(self, batch: CheckedBatch) -> None:
            told.append(("settled", batch.last_seq))

    of = session()
    # That one of them is refused must make no difference.
    rows(database_url, "ALTER TABLE frames ADD CONSTRAINT no_sevens CHECK (values[1] <> 7)")
    writer, recorder = HistoryWriter(database_url, 0.01, 2**30), InOrder()
    writer.offer(batch_of(of, [1, 2, 3], start_us=NOON_US))
    running = asyncio.ensure_future(writer.run(recorder))
    await until("the first is settled", lambda: len(told) == 1)
    writer.hello(of.hello)
    writer.offer(batch_of(of, [4, 5, 6, 7, 8], start_us=NOON_US))
    await until("the second is settled", lambda: len(told) == 3)
    running.cancel()
    await asyncio.wait({running})
    assert told == [("settled", 3), ("cursor", 3), ("settled", 8)]


GAPS = "SELECT first_seq, last_seq, reason, from_time, to_time FROM gaps ORDER BY first_seq"


async def test_a_gap_has_the_times_of_the_frames_around_it(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [1, 2, 8], gaps=[shed(3, 7)], start_us=NOON_US))
        assert rows(database_url, GAPS) == [(3, 7, "shed", at(2), at(8))]
        # The frame after it comes later, and the one before it was in another commit.
        await settle(writer, recorder, batch_of(of, gaps=[shed(9, 11)], start_us=NOON_US))
        assert rows(database_url, GAPS)[1:] == [(9, 11, "shed", at(8), None)]
        await settle(writer, recorder, batch_of(of, [12, 13], start_us=NOON_US))
        assert rows(database_url, GAPS)[1:] == [(9, 11, "shed", at(8), at(12))]
        await settle(writer, recorder, batch_of(of, gaps=[shed(14, 14)], start_us=NOON_US))
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [15], start_us=NOON_US))
        assert rows(database_url, GAPS)[2:] == [(14, 14, "shed", at(13), at(15))]


async def test_a_gap_that_is_sent_again_counts_once_however_it_has_grown(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [1, 2], gaps=[shed(3, 7)], start_us=NOON_US))
        # Its Ack was lost, and meanwhile the spool has shed on both sides of it.
        await settle(writer, recorder, batch_of(of, [10], gaps=[shed(2, 9)], start_us=NOON_US))
        assert [row[:2] for row in rows(database_url, GAPS)] == [(3, 9)]
    assert [(one["kind"], one["fields"]) for one in recorder.events[1:]] == [
        ("samples.lost", {"frames": 5, "reason": "shed"}),
    ]
    assert recorder.events[1]["message"] == "web1 has lost 5 samples: its spool was full"


async def test_a_gap_that_goes_on_is_one_gap_and_one_event(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch_of(of, [1, 2], gaps=[shed(3, 3)], start_us=NOON_US))
        await settle(writer, recorder, batch_of(of, gaps=[shed(4, 4)], start_us=NOON_US))
        batches = [batch_of(of, gaps=[shed(seq, seq)], start_us=NOON_US) for seq in range(5, 9)]
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
        await settle(writer, recorder, batch_of(of, [9, 11], gaps=[shed(10, 10)], start_us=NOON_US))
    assert rows(database_url, GAPS) == [(3, 8, "shed", at(2), at(9)), (10, 10, "shed", at(9), at(11))]
    assert [one["kind"] for one in recorder.events[1:]] == ["samples.lost", "samples.lost"]


async def test_what_is_refused_is_kept_apart_as_it_came(database_url: str) -> None:
    of = session()
    nowhere = RejectedFrame(frame(4, values=[1.0, -math.inf, math.nan, 0.5], time_us=-(2**62)), None, "no layout")
    early = [rejected_frame(seq, "too early", values=[math.inf, math.nan]) for seq in (2, 3)]
    async with writing(database_url) as (writer, recorder):
        batch = batch_of(of, [1], rejected=[*early, nowhere], start_us=NOON_US)
        await settle(writer, recorder, batch)
        await settle(writer, recorder, batch_of(of, [1], rejected=early, start_us=NOON_US))
        await settle(writer, recorder, batch_of(of, rejected=[rejected_frame(5, "too early")]))
    found = rows(database_url, "SELECT seq, reason, time_us, layout, values::text FROM rejects ORDER BY seq")
    ((layout,),) = rows(database_url, "SELECT id FROM layouts")
    assert found == [
        (2, "too early", 1, layout, "{Infinity,NaN}"),
        (3, "too early", 1, layout, "{Infinity,NaN}"),
        (4, "no layout", -(2**62), None, "{1,-Infinity,NaN,0.5}"),
        (5, "too early", 1, layout, "{1,2}"),
    ]
    assert rows(database_url, CURSOR) == [(5, None)]
    refusals = [one for one in recorder.events if one["kind"] == "samples.refused"]
    assert [(one["severity"], one["machine"], one["fields"]) for one in refusals] == [
        ("warning", "web1", {"stream": of.stream.hex(), "reason": "too early", "frames": 2}),
        ("warning", "web1", {"stream": of.stream.hex(), "reason": "no layout", "frames": 1}),
    ]


async def test_the_skew_of_a_clock_is_stored_when_it_has_changed(database_url: str) -> None:
    query = "SELECT skew_seconds FROM machines"
    async with writing(database_url) as (writer, recorder):
        for seq, skew, stored in ((1, 0.5, 0.0), (2, 90.0, 90.0), (3, 90.9, 90.0), (4, -7.0, -7.0)):
            writer.skew("web1", skew)
            await settle(writer, recorder, batch_of(session(), [seq]))
            assert rows(database_url, query) == [(stored,)]
    async with writing(database_url) as (writer, recorder):
        # What is stored is not known yet, and is not written for nothing.
        before = rows(database_url, "SELECT xmin FROM machines WHERE skew_seconds = -7")
        await until("it is up", lambda: recorder.asked != [])
        writer.skew("web1", -7.5)
        batch = batch_of(session("web2"), [5])
        await settle(writer, recorder, batch)
        assert rows(database_url, "SELECT xmin FROM machines WHERE name = 'web1'") == before


async def test_hellos_of_a_thousand_machines_are_written(database_url: str) -> None:
    async with writing(database_url) as (writer, recorder):
        for number in range(1100):
            writer.hello(hello(f"web{number}", kernel="6.1", number=str(number)))
        await until("all are answered", lambda: len(recorder.cursors) == 1100)
    assert len(recorder.events) == 1100
    assert rows(database_url, "SELECT count(*), sum((facts ->> 'number')::int) FROM machines") == [
        (1100, 1100 * 1099 // 2)
    ]
