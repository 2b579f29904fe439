"""What machines tell of is stored once, in order, with the frames that carry it, on each edition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.session import CheckedBatch, Session, refused
from tests.aggregatord.history_batches import batch_of, session
from tests.aggregatord.history_database import MINUTE_US, NOON_US, rows, set_tiers
from tests.aggregatord.history_recorder import settle, writing
from tests.aggregatord.samples import event, frame, layout, telling
from tests.editions import each_edition

pytestmark = each_edition

TOLD = "SELECT machine, kind, fields ->> 'n' FROM events WHERE kind LIKE 'unit.%' ORDER BY id"
OTHERS = "SELECT kind, fields FROM events WHERE kind LIKE 'events.%' ORDER BY id"
NO_POISON = "ALTER TABLE events ADD CONSTRAINT no_poison CHECK (fields ->> 'n' IS DISTINCT FROM 'poison')"


def telling_batch(of: Session, told: dict[int, list[str]], start_us: int = NOON_US) -> CheckedBatch:
    """A batch of frames by seq, each with events of these numbers."""
    batch = batch_of(of, sorted(told), start_us=start_us)
    for one in batch.frames:
        telling(one.frame, *(event(n=number, time_us=one.frame.time_us) for number in told[one.frame.seq]))
    return batch


def told_of(machine: str, *numbers: str) -> list[tuple[str, str, str]]:
    return [(machine, "unit.failed", number) for number in numbers]


async def test_events_are_stored_in_order_and_told_as_they_are_stored(database_url: str) -> None:
    batch = telling_batch(session(), {1: ["1", "2"], 2: [], 3: ["3"]})
    batch.frames[2].frame.events[0].severity = pb.SEVERITY_CRITICAL
    batch.frames[0].frame.events[1].severity = pb.SEVERITY_UNSPECIFIED
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch)
        assert writer.stored_events == 4, "that the machine is new is one of them"
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "3")
    stored = rows(
        database_url,
        "SELECT id, extract(epoch FROM time)::float8, kind, severity, machine, message, fields FROM events ORDER BY id",
    )
    assert [tuple(one.values()) for one in recorder.events] == stored
    assert [one["severity"] for one in recorder.events] == ["info", "warning", "info", "critical"]
    assert recorder.events[1]["time"] == (NOON_US + 1_000_000) / 1e6
    assert recorder.events[1]["message"] == "nginx.service has failed"


async def test_what_is_sent_again_is_not_stored_again(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, telling_batch(of, {1: ["1"], 2: ["2"]}))
        await settle(writer, recorder, telling_batch(of, {1: ["1"], 2: ["2"], 3: ["3"]}))
        # Two connections of one collector, in one transaction.
        await settle(writer, recorder, telling_batch(of, {3: ["3"], 4: ["4"]}), telling_batch(of, {4: ["4"], 5: []}))
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "3", "4")


async def test_frames_of_a_spool_that_is_an_old_copy_tell_of_something_new(database_url: str) -> None:
    """It gives out seqs again, at other times; its frames are stored, and so are their events, once."""
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, telling_batch(of, {1: ["1"], 2: ["2"], 3: ["3"]}))
        for _ in range(2):
            again = {2: ["2 anew"], 3: ["3 anew"], 4: ["4"]}
            await settle(writer, recorder, telling_batch(of, again, start_us=NOON_US + 5 * MINUTE_US))
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "3", "2 anew", "3 anew", "4")
    assert rows(database_url, "SELECT count(*) FROM frames") == [(6,)]


async def test_a_frame_that_came_too_late_tells_all_the_same(database_url: str) -> None:
    of = session()
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, telling_batch(of, {1: ["1"]}))
        set_tiers(database_url, claimed=NOON_US + 60 * MINUTE_US, kept_from=NOON_US + 60 * MINUTE_US)
        await settle(writer, recorder, telling_batch(of, {2: ["2"], 3: ["3"]}))
        await settle(writer, recorder, telling_batch(of, {2: ["2"], 3: ["3"]}))
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "3")
    assert rows(database_url, "SELECT count(*) FROM late_frames") == [(2,)]


async def test_a_frame_that_is_refused_keeps_its_events_and_their_place(database_url: str) -> None:
    of = session()
    batch = telling_batch(of, {1: ["1"], 3: ["3"]})
    good = telling(frame(2, values=[]), event(n="2"))
    bad = telling(frame(4), event("Failed!"))
    batch.rejected = [refused(one, layout(), "no") for one in (good, bad)]
    batch.last_seq = 4
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch)
        await settle(writer, recorder, replace(batch))
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "3")
    assert rows(database_url, "SELECT seq, reason FROM rejects ORDER BY seq") == [
        (2, "no; its events are kept"),
        (4, "no; its events are not kept either: 'unit.Failed!' is no kind of event"),
    ]


async def test_an_event_that_the_database_refuses_costs_neither_its_frame_nor_the_others(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    batches = [
        telling_batch(session("web1"), {1: ["1", "poison", "2"], 2: ["poison"]}),
        telling_batch(session("web2"), {1: ["3"]}),
    ]
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, telling_batch(session("web0"), {1: ["0"]}))
        rows(database_url, NO_POISON)
        await settle(writer, recorder, *batches)
        assert (writer.refused_events, writer.refused_frames) == (2, 0)
    assert rows(database_url, TOLD) == told_of("web0", "0") + told_of("web1", "1", "2") + told_of("web2", "3")
    assert rows(database_url, "SELECT count(*) FROM frames") == [(4,)]
    ((kind, fields),) = rows(database_url, OTHERS)
    assert (kind, fields["events"]) == ("events.refused", 2)
    assert "no_poison" in fields["reason"]
    assert any("refuses events of a machine" in message for message in caplog.messages)


async def test_a_frame_that_the_database_refuses_keeps_its_events(database_url: str) -> None:
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, telling_batch(session("web0"), {1: []}))
        rows(database_url, "ALTER TABLE frames ADD CONSTRAINT no_twos CHECK (values[1] <> 2)")
        await settle(writer, recorder, telling_batch(session(), {1: ["1"], 2: ["2", "poison"], 3: ["3"]}))
        assert writer.refused_frames == 1
    assert rows(database_url, TOLD) == told_of("web1", "1", "2", "poison", "3")
    ((reason,),) = rows(database_url, "SELECT reason FROM rejects")
    assert reason.endswith("; its events are kept")


async def test_how_many_were_dropped_is_told_once(database_url: str) -> None:
    of = session()
    batch = telling_batch(of, {1: ["1"], 2: []})
    batch.dropped_events = 7
    async with writing(database_url) as (writer, recorder):
        await settle(writer, recorder, batch)
        await settle(writer, recorder, replace(batch))
        assert rows(database_url, OTHERS) == [("events.dropped", {"events": 7})]
        # One that is stored in halves, since the database refuses a frame of it.
        rows(database_url, "ALTER TABLE frames ADD CONSTRAINT no_fours CHECK (values[1] <> 4)")
        batch = telling_batch(of, {3: ["3"], 4: ["4"], 5: []})
        batch.dropped_events = 8
        await settle(writer, recorder, batch)
        assert writer.refused_frames == 1
    assert rows(database_url, OTHERS) == [("events.dropped", {"events": number}) for number in (7, 8)]
