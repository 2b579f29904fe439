"""The service as collectors meet it: gRPC through the relay, on real Redis and PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus
from sysmonstm.aggregatord import ingest as ingest_module
from sysmonstm.aggregatord.connection import Connection
from sysmonstm.aggregatord.ingest import Context, IngestService
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.wire import MAX_SEQ, layout_to_wire
from tests.aggregatord.history_database import rows as database_rows
from tests.aggregatord.ingest_hub import (
    LIMITS,
    MOST_MACHINES,
    NOWHERE,
    HistoryOfNone,
    Hub,
    collector,
    ending,
    greeted,
    heard,
    rows,
    say,
    send,
    serving,
    settles,
    shown,
    shown_seq,
    welcomed,
    write,
)
from tests.aggregatord.samples import START_US, WINDOW, batch, event, frame, hello, layout, session, telling
from tests.shared.real_server import until


@pytest.fixture
async def hub(redis_url: str, database_url: str) -> AsyncIterator[Hub]:
    async with serving(redis_url, database_url) as hub:
        yield hub


@pytest.mark.parametrize("lane", ["Ingest", "Live"])
async def test_a_hello_that_does_not_keep_the_contract_is_refused_with_the_reason(hub: Hub, lane: str) -> None:
    async with collector(hub) as stub:
        call = getattr(stub, lane)()
        message = pb.CollectorMessage if lane == "Ingest" else pb.LiveMessage
        await write(call, message(hello=hello("bad name")))
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "'bad name' is no machine name" in (await call.details() or "")
    assert hub.live.machines == 0


async def test_a_collector_that_does_not_wait_is_told_of_its_refusal_too(hub: Hub) -> None:
    """What is still being written when the refusal is due must not keep it back."""
    async with collector(hub) as stub:
        for _ in range(20):
            call = stub.Ingest()
            await say(call, hello=hello("web1"))
            await say(call)
            # The status comes after what was written before it, which may be the welcome.
            assert (await ending(call)).code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_fleet_that_is_full_takes_no_new_machine_but_the_ones_it_has(hub: Hub) -> None:
    async with collector(hub) as stub:
        for number in range(MOST_MACHINES):
            hub.live.hello(hello(f"web{number}"))
        call = stub.Ingest()
        await say(call, hello=hello("one-more"))
        assert "AGGREGATOR_MACHINES" in (await call.details() or "")
        # Room may come: it is no fault of the collector's.
        assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await welcomed(stub, "web0")


async def test_a_layout_is_asked_for_and_the_ack_comes_after_the_commit(hub: Hub, database_url: str) -> None:
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await send(call, frame(1), frame(2))
        asked, *_, last = await heard(call, settles(2))
        assert rows(database_url) == [("web1", 1.0), ("web1", 2.0)]
        assert [asked.need_layout.layout_id, last.ack.durable_seq] == [layout().id, 2]
        # Now it is known: another machine with the same is not asked.
        other = await welcomed(stub, "web2")
        await send(other, frame(1))
        assert not any(message.HasField("need_layout") for message in await heard(other, settles(1)))


async def test_a_bad_frame_is_rejected_alone_and_the_stream_lives_on(hub: Hub, database_url: str) -> None:
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await send(call, frame(1), frame(2, values=[1.0]), frame(3))
        messages = await heard(call, settles(3))
        rejected = [(one.seq, one.reason) for message in messages for one in message.ack.rejected]
        assert rejected == [(2, "1 values for 2 series")]
        await send(call, frame(4))
        await heard(call, settles(4))
    assert (hub.ingest.frames, hub.ingest.rejected) == (3, 1)
    assert [value for _, value in rows(database_url)] == [1.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (pb.CollectorMessage(), "one of either at least"),
        (pb.CollectorMessage(hello=hello()), "one of either at least"),
        (pb.CollectorMessage(layout=pb.Layout()), "a layout has 1 to"),
        (pb.CollectorMessage(batch=batch(frame(MAX_SEQ + 1, time_us=START_US))), "a seq is 1 to"),
    ],
)
async def test_what_no_collector_says_ends_its_stream_only(
    hub: Hub, message: pb.CollectorMessage, sentence: str
) -> None:
    async with collector(hub) as stub:
        bad, good = await welcomed(stub), await welcomed(stub, "web2")
        await write(bad, message)
        error = await ending(bad)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert sentence in (error.details() or "")
        await send(good, frame(1))
        await heard(good, settles(1))
    assert hub.ingest.connections <= 1


async def test_while_the_database_is_away_the_window_is_shut_and_the_live_lane_shows(redis_url: str) -> None:
    async with serving(redis_url, NOWHERE) as hub, collector(hub) as stub:
        _, welcome = await greeted(stub)
        assert welcome.window == 0
        lane = stub.Live()
        await write(lane, pb.LiveMessage(hello=hello()))
        await write(lane, pb.LiveMessage(layout=layout_to_wire(layout())))
        # The second is refused, and the call goes on.
        for one in (frame(1), frame(2, values=[]), frame(3)):
            await write(lane, pb.LiveMessage(frame=one))

        async def is_shown() -> bool:
            return await shown_seq(redis_url, "web1") == 3

        await until("the newest frame is shown", is_shown)
        await lane.done_writing()
        assert (await lane).frames == 2
        assert hub.ingest.rejected == 1


async def test_a_live_frame_before_its_layout_ends_its_call(hub: Hub) -> None:
    async with collector(hub) as stub:
        lane = stub.Live()
        await write(lane, pb.LiveMessage(hello=hello()))
        await write(lane, pb.LiveMessage(frame=frame(1)))
        assert await lane.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_whoever_says_no_hello_is_not_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "HELLO_SECONDS", 0.1)
    async with collector(hub) as stub:
        call = stub.Ingest()
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "no hello" in (await call.details() or "")


async def test_needed_layouts_and_acks_may_be_due_at_once(hub: Hub, database_url: str) -> None:
    """gRPC takes one write at a time; here commits and questions keep coming together."""
    async with collector(hub) as stub, asyncio.TaskGroup() as tasks:

        async def talk(machine: str) -> None:
            call = await welcomed(stub, machine)
            for seq in range(1, 41):
                await send(call, frame(seq, layout(seq)))
                if seq % (WINDOW // 2) == 0:
                    await heard(call, settles(seq))
            call.cancel()

        for number in range(4):
            tasks.create_task(talk(f"web{number}"))
    assert len(rows(database_url)) == 160


_VANISHING = """
import sys, time, grpc
from sysmon.v1 import ingest_pb2 as pb, ingest_pb2_grpc as rpc
from tests.aggregatord.samples import batch, frame, hello, layout
from sysmonstm.wire import Sealer, layout_to_wire

def messages():
    seal = Sealer().seal
    yield seal(pb.CollectorMessage(hello=hello(sys.argv[2])))
    yield seal(pb.CollectorMessage(layout=layout_to_wire(layout())))
    for seq in range(1, 8):
        yield seal(pb.CollectorMessage(batch=batch(frame(seq))))
    time.sleep(3600)

for answer in rpc.IngestStub(grpc.insecure_channel(sys.argv[1])).Ingest(messages()):
    print("answered", flush=True)
"""


async def test_collectors_that_vanish_leave_nothing_behind(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    for number in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _VANISHING, hub.address, f"web{number}", stdout=subprocess.PIPE
        )
        assert process.stdout
        assert await process.stdout.readline() == b"answered\n"
        process.kill()
        await process.wait()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # counts as a descriptor until then
    await until("all are forgotten", lambda: hub.ingest.connections == hub.relay.connections == 0)
    await until("their tasks have ended", lambda: len(asyncio.all_tasks()) <= tasks + 1)
    assert [record.message for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING] == []
    left = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    assert left <= descriptors + 2


async def test_a_call_that_is_cancelled_leaves_nothing_behind(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    async with collector(hub) as stub:
        for number in range(150):
            call = await welcomed(stub)
            # Its layout is unknown, so that some end just as it is asked for.
            await send(call, frame(1, layout(number)))
            for _ in range(number % 6):
                await asyncio.sleep(0)
            call.cancel()
    await until("all are forgotten", lambda: hub.ingest.connections == 0)
    assert [record.message for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING] == []


class _Ended:
    """A call that ended a moment ago: the race is too rare to be had from a real one in a test."""

    async def write(self, message: pb.Sealed) -> None:
        raise grpc.aio.InternalError("execute_batch")


async def test_writing_to_a_call_that_has_just_ended_ends_quietly() -> None:
    live = LivePublisher(bus.connect("redis://127.0.0.1:1"), lambda: None)
    ingest = IngestService(live, HistoryOfNone(), LIMITS)
    ended: Context = _Ended()  # type: ignore[assignment]  # all of it that is used
    await ingest._write(Connection(session()), ended)


EVENTS = "SELECT kind, message, machine FROM events WHERE kind <> 'machine.new' ORDER BY id"


async def test_events_are_stored_by_the_time_of_the_ack_and_published(
    hub: Hub, redis_url: str, database_url: str
) -> None:
    published: list[dict[str, object]] = []

    async def follow() -> None:
        async with bus.connect(redis_url) as redis:
            async for update in bus.follow(redis, bus.Fleet()):
                # Not by a comprehension: it never ends.
                published.extend([update.fields] if isinstance(update, bus.Event) else [])

    following = asyncio.create_task(follow())
    await until("somebody follows", lambda: bool(hub.live._generation))
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await until("that the machine is new is published", lambda: len(published) == 1)
        bad = telling(frame(3, values=[1.0]), event("recovered", time_us=5))
        await send(call, telling(frame(1), event(), event("restarted")), telling(frame(2), event(family="alert")), bad)
        messages = await heard(call, settles(3))
        told = [("unit.failed", "web1"), ("unit.restarted", "web1"), ("unit.recovered", "web1")]
        stored = database_rows(database_url, EVENTS)
        assert [(kind, machine) for kind, _, machine in stored if kind.startswith("unit.")] == told
    rejected = [(one.seq, one.reason) for message in messages for one in message.ack.rejected]
    assert rejected == [
        (2, "an event alert.failed is the hub's own to tell of"),
        (3, "1 values for 2 series; its events are kept"),
    ]
    await until("they are published", lambda: len(published) == 6)
    units = [one for one in published if str(one["kind"]).startswith("unit.")]
    assert [(one["kind"], one["machine"]) for one in units] == told
    # Without a time of its own, an event has that of its frame.
    assert [one["time"] for one in units] == [(START_US + seq) / 1e6 for seq in (1, 1, 3)]
    following.cancel()
    await asyncio.wait({following})


@pytest.mark.parametrize("lane", ["Ingest", "Live"])
async def test_what_is_shown_live_has_no_events_and_the_live_lane_stores_none(
    hub: Hub, redis_url: str, database_url: str, lane: str
) -> None:
    taken = telling(frame(1, time_us=time.time_ns() // 1000), event())
    async with collector(hub) as stub:
        if lane == "Ingest":
            call = await welcomed(stub)
            await send(call, taken)
            await heard(call, settles(1))
        else:
            live = stub.Live()
            await write(live, pb.LiveMessage(hello=hello()))
            await write(live, pb.LiveMessage(layout=layout_to_wire(layout())))
            await write(live, pb.LiveMessage(frame=taken))
        seen = None
        while seen is None or seen.frame is None:
            seen = await shown(redis_url, "web1")
    assert (seen.frame.frame.seq, len(seen.frame.frame.events)) == (1, 0)
    assert len(database_rows(database_url, EVENTS)) == (lane == "Ingest")


async def test_a_storm_of_events_is_cut_short_and_said(hub: Hub, database_url: str) -> None:
    async with collector(hub) as stub:
        call = await welcomed(stub)
        for seq in range(1, 36):
            await send(call, telling(frame(seq), *[event()] * 100))
            await heard(call, settles(seq))
    dropped = database_rows(database_url, "SELECT fields FROM events WHERE kind = 'events.dropped'")
    ((kept,),) = database_rows(database_url, "SELECT count(*) FROM events WHERE kind = 'unit.failed'")
    assert 3000 <= kept < 3100
    assert hub.ingest.storms.dropped == 3500 - kept
    # At once, and then only once a minute.
    assert dropped == [({"events": dropped[0][0]["events"]},)]
