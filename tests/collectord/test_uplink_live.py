"""The live lane: the newest sample is shown at once, whatever holds up the durable lane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord import intake as intake_module
from sysmonstm.collectord import live
from sysmonstm.collectord.calls import channel_to
from sysmonstm.collectord.connection import Connection
from sysmonstm.collectord.durable import Tally
from sysmonstm.collectord.intake import Intake
from sysmonstm.collectord.sampler import Sample
from sysmonstm.collectord.spool.outbox import Outbox
from tests.collectord.scripted_hub import Call, Context, ScriptedHub, last_seq, serving, take, take_all
from tests.collectord.uplinked import EPOCH_US, HELLO, LAYOUTS, hung_disk, outbox_in, uplinked
from tests.shared.real_server import until


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with outbox_in(tmp_path) as opened:
        yield opened


async def shut(hub: ScriptedHub, call: Call) -> None:
    """The database is down from the start."""
    await call.welcome(window=0)
    await take(hub, call)


async def shown(hub: ScriptedHub, seq: int) -> None:
    await until(f"{seq} is shown", lambda: bool(hub.live_frames) and hub.live_frames[-1].seq == seq)


async def test_while_the_window_is_shut_the_newest_goes_by_the_live_lane_with_its_layout(outbox: Outbox) -> None:
    opened = asyncio.Event()

    async def shut_for_a_while(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=0)
        await opened.wait()
        await call.ack(0)
        await take(hub, call)

    hub = ScriptedHub(shut_for_a_while)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        for turn, layout in enumerate((0, 0, 1), start=1):
            await collector.offer(2, layout)
            await shown(hub, 2 * turn)
        assert hub.frames == []
        opened.set()
        await collector.drained()
    said = [message.WhichOneof("message") for message in hub.live]
    assert said == ["hello", "layout", "frame", "frame", "layout", "frame"]
    assert hub.live[0].hello == hub.hellos[0]
    assert [frame.seq for frame in hub.live_frames] == [2, 4, 6]
    assert all(message.sent_us > EPOCH_US for message in hub.live if message.HasField("frame"))
    assert hub.seqs == [1, 2, 3, 4, 5, 6]


async def test_while_the_durable_lane_keeps_up_the_live_lane_is_not_used(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        for _ in range(3):
            await collector.offer()
            await collector.drained()
            await asyncio.sleep(2 * live.PATIENCE_SECONDS)
    assert hub.live == []


async def test_what_is_stored_is_not_shown_again_by_the_next_connection(outbox: Outbox) -> None:
    end = asyncio.Event()

    async def take_one(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            await call.ack(last_seq(message.batch))
            await end.wait()
            return

    hub = ScriptedHub(take_one, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer()
        await collector.drained()
        end.set()
        await until("it is connected anew", lambda: len(hub.hellos) == 2)
        await asyncio.sleep(4 * live.PATIENCE_SECONDS)
    assert hub.live == []


async def test_what_is_settled_without_having_left_is_shown(outbox: Outbox) -> None:
    issued = await outbox.append(EPOCH_US, LAYOUTS[0], [1.0])
    await outbox.acknowledge(issued.stream, issued.frame.seq)
    async with channel_to("127.0.0.1:1") as stub:
        tally = Tally()
        connection = Connection(stub, HELLO, outbox, tally)
        newest = live.Newest(issued.stream, issued.frame, LAYOUTS[0])
        assert connection._is_behind(newest)
        tally.left = issued.stream, issued.frame.seq
        assert not connection._is_behind(newest)


async def test_a_window_that_never_opens_is_no_failure(outbox: Outbox) -> None:
    hub = ScriptedHub(shut)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        for seq in range(1, 4):
            await collector.offer()
            await shown(hub, seq)
        assert outbox.unacknowledged == 3
    assert len(hub.hellos) == 1


async def test_the_live_lane_speaks_for_a_new_stream_at_once(outbox: Outbox) -> None:
    hub = ScriptedHub(shut)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        streams = []
        for number in range(1, 3):
            streams.append(outbox.current_stream)
            await collector.offer()
            await until("it is shown", lambda number=number: len(hub.live_frames) == number)
            await outbox.rotate()
    said = [message.WhichOneof("message") for message in hub.live]
    assert said == ["hello", "layout", "frame"] * 2
    assert [message.hello.stream for message in hub.live if message.HasField("hello")] == streams
    assert [frame.seq for frame in hub.live_frames] == [1, 1]


async def test_a_hub_that_reads_nothing_of_the_durable_lane_still_gets_the_newest(outbox: Outbox) -> None:
    """The writes of batches block, as the connection takes only so much that is not read."""

    async def read_nothing(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=10_000, frames_per_batch=1)
        await asyncio.sleep(3600)

    hub = ScriptedHub(read_nothing)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        stream = outbox.current_stream
        for seq in range(1, 60):
            await collector.uplink.offer(EPOCH_US + seq, LAYOUTS[0], [1.0] * 20_000)
        await until("something is shown", lambda: bool(hub.live_frames))
        await collector.offer()
        await shown(hub, 60)
    assert hub.live[0].hello.stream == stream


async def test_the_end_of_a_live_call_costs_the_durable_lane_nothing(outbox: Outbox) -> None:
    found = 0

    async def find_damage(message: pb.LiveMessage, context: Context) -> None:
        nonlocal found
        if message.HasField("frame") and not found:
            found += 1
            await context.abort(grpc.StatusCode.DATA_LOSS, "a message was damaged on the way")

    hub = ScriptedHub(shut)
    hub.on_live = find_damage
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer()
        await shown(hub, 1)
        await collector.offer()
        await shown(hub, 2)
        assert found == 1
    assert len(hub.hellos) == 1
    assert [message.WhichOneof("message") for message in hub.live] == ["hello", "layout", "frame"] * 2


async def test_a_disk_that_hangs_stops_neither_samples_nor_the_showing_of_them(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector, asyncio.TaskGroup() as tasks:
        await collector.offer(2)
        await collector.drained()
        intake = Intake(collector.uplink, tasks)
        async with hung_disk(outbox):
            for seq in range(3, 6):
                intake.offer(Sample(EPOCH_US + 100 + seq, LAYOUTS[0], [float(seq)]))
                await shown(hub, seq)
            assert hub.seqs == [1, 2]
        await intake.emptied()
        await collector.drained()
    assert hub.seqs == [1, 2, 3, 4, 5]
    assert hub.live_frames == hub.frames[2:]


async def test_what_a_hanging_disk_holds_up_is_bounded_and_what_is_lost_is_counted(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(intake_module, "MOST_VALUES", 10)
    async with uplinked(outbox, "127.0.0.1:1") as collector, asyncio.TaskGroup() as tasks:
        intake = Intake(collector.uplink, tasks)
        async with hung_disk(outbox):
            for number in range(14):
                intake.offer(Sample(EPOCH_US + number, LAYOUTS[0], [1.0]))
            await asyncio.sleep(0)
            assert intake.dropped == 4
        await intake.emptied()
        intake.offer(Sample(EPOCH_US + 20, LAYOUTS[0], [1.0]))
        await intake.emptied()
        assert (outbox.unacknowledged, intake.dropped) == (11, 4)
    assert len([message for message in caplog.messages if "memory is full" in message]) == 1


def happened(number: int) -> pb.Event:
    return pb.Event(kind="unit.failed", severity=pb.SEVERITY_WARNING, time_us=EPOCH_US, message=f"number {number}")


async def test_what_happened_goes_by_the_durable_lane_only(outbox: Outbox) -> None:
    opened = asyncio.Event()

    async def shut_for_a_while(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=0)
        await opened.wait()
        await call.ack(0)
        await take(hub, call)

    hub = ScriptedHub(shut_for_a_while)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.uplink.offer(EPOCH_US + 1, LAYOUTS[0], [1.0], [happened(1), happened(2)])
        await shown(hub, 1)
        opened.set()
        await collector.drained()
    assert [list(frame.events) for frame in hub.live_frames] == [[]]
    assert [list(frame.events) for frame in hub.frames] == [[happened(1), happened(2)]]
    assert list(hub.live_frames[0].values) == list(hub.frames[0].values) == [1.0]


async def test_what_one_sample_cannot_carry_goes_with_the_next_ones(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector, asyncio.TaskGroup() as tasks:
        intake = Intake(collector.uplink, tasks)
        intake.offer(Sample(EPOCH_US, LAYOUTS[0], [1.0], tuple(map(happened, range(130)))))
        intake.offer(Sample(EPOCH_US + 1, LAYOUTS[0], [2.0], (happened(130),)))
        intake.offer(Sample(EPOCH_US + 2, LAYOUTS[0], [3.0]))
        await intake.emptied()
        await collector.drained()
    assert [len(frame.events) for frame in hub.frames] == [100, 31, 0]
    assert [event for frame in hub.frames for event in frame.events] == list(map(happened, range(131)))


async def test_the_events_of_a_sample_that_is_dropped_go_with_the_next_and_are_bounded(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(intake_module, "MOST_VALUES", 2)
    monkeypatch.setattr(intake_module, "MOST_EVENTS", 5)
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector, asyncio.TaskGroup() as tasks:
        intake = Intake(collector.uplink, tasks)
        async with hung_disk(outbox):
            for number in range(10):
                intake.offer(Sample(EPOCH_US + number, LAYOUTS[0], [1.0], (happened(number),) if number > 1 else ()))
            assert (intake.dropped, intake.dropped_events) == (8, 3)
        await intake.emptied()
        intake.offer(Sample(EPOCH_US + 20, LAYOUTS[0], [2.0]))
        await intake.emptied()
        await collector.drained()
    assert [list(frame.events) for frame in hub.frames] == [[], [], list(map(happened, range(2, 7)))]
    assert len([message for message in caplog.messages if "newest events are dropped" in message]) == 1
