"""What delivery promises of the service: nothing damaged is believed, nothing is doubled, and nobody takes too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.aggregatord import ingest as ingest_module
from sysmonstm.aggregatord.allowance import UNKNOWN_FRAME_BYTES
from sysmonstm.wire import Sealer, layout_to_wire
from tests.aggregatord.ingest_hub import (
    LIMITS,
    NOWHERE,
    HistoryOfNone,
    Hub,
    collector,
    ending,
    greeted,
    heard,
    read,
    rows,
    say,
    sealed,
    send,
    serving,
    serving_for,
    settles,
    shown,
    shown_seq,
    welcomed,
    write,
)
from tests.aggregatord.samples import WINDOW, batch, frame, gap, hello, layout, now_us, stream_of
from tests.shared.real_server import until

SECOND_US = 1_000_000


@pytest.fixture
async def history() -> HistoryOfNone:
    return HistoryOfNone()


@pytest.fixture
async def hub(redis_url: str, history: HistoryOfNone) -> AsyncIterator[Hub]:
    """A hub that has no database."""
    async with serving_for(redis_url, history) as hub:
        yield hub


def damaged(sealed: pb.Sealed, byte: int) -> pb.Sealed:
    message = bytearray(sealed.message)
    message[byte] ^= 1
    return pb.Sealed(message=bytes(message), crc32=sealed.crc32)


async def test_a_damaged_batch_ends_the_call_and_nothing_of_it_is_believed(
    hub: Hub, history: HistoryOfNone, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with collector(hub) as stub:
        for _ in range(2):
            call = await welcomed(stub)
            await say(call, layout=layout_to_wire(layout()))
            message = sealed(call, pb.CollectorMessage(batch=batch(frame(1), frame(2))))
            # The last byte is of the second frame's values: it would read as another number.
            await call.write(damaged(message, -1))
            assert (await ending(call)).code() == grpc.StatusCode.DATA_LOSS
    assert history.offered == []
    assert (hub.ingest.losses.damaged, hub.ingest.frames) == (2, 0)
    assert await shown_seq(redis_url, "web1") is None
    assert sum("was damaged on its way" in record.message for record in caplog.records) == 1


async def test_a_collector_that_hears_nothing_is_told_again_what_has_come_and_asked_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "QUIET_SECONDS", 0.2)
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await send(call, frame(1), frame(2))
        asked = 0
        while asked < 3:
            message = await read(call)
            asked += message.HasField("need_layout")
            if message.HasField("ack"):
                assert (message.ack.durable_seq, message.ack.received_seq) == (0, 2)


async def test_a_damaged_hello_or_live_frame_ends_its_call(hub: Hub, redis_url: str) -> None:
    async with collector(hub) as stub:
        for call in (stub.Ingest(), stub.Live()):
            await call.write(damaged(sealed(call, pb.LiveMessage(hello=hello())), 5))
            assert await call.code() == grpc.StatusCode.DATA_LOSS
        lane = stub.Live()
        await write(lane, pb.LiveMessage(hello=hello()))
        await write(lane, pb.LiveMessage(layout=layout_to_wire(layout())))
        await lane.write(damaged(sealed(lane, pb.LiveMessage(frame=frame(1))), -1))
        assert await lane.code() == grpc.StatusCode.DATA_LOSS
    assert hub.ingest.losses.damaged == 3
    assert await shown_seq(redis_url, "web1") is None


@pytest.mark.parametrize("lane", ["Ingest", "Live"])
async def test_what_is_no_message_at_all_ends_its_call_in_the_same_way(hub: Hub, lane: str) -> None:
    async with grpc.aio.insecure_channel(hub.address) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(f"/sysmon.v1.Ingest/{lane}")()
        await call.write(Sealer().seal(pb.CollectorMessage(hello=hello())).SerializeToString())
        await call.write(b"\xff\xff\xff")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            async with asyncio.timeout(30):
                while await call.read() is not grpc.aio.EOF:
                    continue
        assert error.value.code() == grpc.StatusCode.DATA_LOSS
    assert hub.ingest.losses.damaged == 1


async def test_the_same_batch_by_two_sessions_at_once_is_stored_once_and_acknowledged_to_both(
    redis_url: str, database_url: str
) -> None:
    async with serving(redis_url, database_url) as hub, collector(hub) as stub, collector(hub) as other:
        calls = [await welcomed(stub), await welcomed(other)]
        for first in range(1, 61, 20):
            frames = [frame(seq) for seq in range(first, first + 20)]
            for part in (frames[:4], frames[4:8], frames[8:12], frames[12:16], frames[16:]):
                await asyncio.gather(*(send(call, *part) for call in calls))
            acks = await asyncio.gather(*(heard(call, settles(first + 19)) for call in calls))
            assert not any(message.ack.rejected for messages in acks for message in messages)
    assert rows(database_url) == [("web1", float(seq)) for seq in range(1, 61)]


async def test_more_batches_than_the_window_end_the_stream(hub: Hub, history: HistoryOfNone) -> None:
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await say(call, layout=layout_to_wire(layout()))
        for seq in range(1, WINDOW + 2):
            await send(call, frame(seq))
        error = await ending(call)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "batches are unacknowledged already" in (error.details() or "")
    assert len(history.offered) == WINDOW


async def test_larger_batches_than_were_allowed_end_the_stream(hub: Hub) -> None:
    async with collector(hub) as stub:
        call, welcome = await greeted(stub)
        if not welcome.window:
            welcome.frames_per_batch = (await read(call)).ack.frames_per_batch
        await send(call, *(frame(seq) for seq in range(1, welcome.frames_per_batch + 2)))
        error = await ending(call)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "are allowed" in (error.details() or "")


async def test_batches_without_their_layout_wait_within_the_window(hub: Hub, history: HistoryOfNone) -> None:
    async with collector(hub) as stub:
        call = await welcomed(stub)
        for seq in range(1, WINDOW + 1):
            await send(call, frame(seq))
        assert (await read(call)).need_layout.layout_id == layout().id
        assert history.offered == []
        await say(call, layout=layout_to_wire(layout()))
        await until("all are handed over, in order", lambda: len(history.offered) == WINDOW)
        assert [one.last_seq for one in history.offered] == list(range(1, WINDOW + 1))


async def test_who_is_behind_is_told_to_send_more_and_nobody_beyond_the_budget(redis_url: str) -> None:
    history = HistoryOfNone()
    # Two frames and a small one, of the size that a frame is taken for until the first has come.
    limits = replace(LIMITS, pending_bytes=2 * UNKNOWN_FRAME_BYTES + 1000)
    async with serving_for(redis_url, history, limits) as hub, collector(hub) as stub:
        first, second = await welcomed(stub), await welcomed(stub, "web2")
        third, welcome = await greeted(stub, "web3")
        assert welcome.window == 0
        await say(first, layout=layout_to_wire(layout()))
        await send(first, frame(1))
        await until("it has come", lambda: len(history.offered) == 1)
        # Its frame is smaller than was thought: there is room for the third.
        await heard(third, lambda message: message.ack.window > 0)
        hub.ingest.settled(history.offered[0])
        grown = (await heard(first, settles(1)))[-1].ack
        assert grown.window * grown.frames_per_batch > 1
        second.cancel()


async def test_what_the_database_has_is_told_once_to_each_connection_of_the_stream(hub: Hub) -> None:
    async with collector(hub) as stub, collector(hub) as again:
        calls = [await welcomed(stub), await welcomed(again), await welcomed(stub, "web2")]
        hub.ingest.cursor(stream_of("web1"), 41, 77)
        hub.ingest.cursor(stream_of("nobody"), 1, 1)
        for call in calls[:2]:
            messages = await heard(call, lambda message: message.HasField("cursor"))
            assert messages[-1].cursor == pb.Cursor(durable_seq=41, time_us=77)
        hub.ingest.cursor(stream_of("web1"), 42, 78)
        for number, call in enumerate(calls):
            await send(call, frame(1, layout(number)))
            messages = await heard(call, lambda message: message.HasField("need_layout"))
            assert not any(message.HasField("cursor") for message in messages)


async def test_the_cursor_comes_from_the_database(redis_url: str, database_url: str) -> None:
    async with serving(redis_url, database_url) as hub:
        for seq in (0, 2):
            async with collector(hub) as stub:
                call, welcome = await greeted(stub)
                messages = await heard(call, lambda message: message.HasField("cursor"))
                assert messages[-1].cursor == pb.Cursor(durable_seq=seq, time_us=frame(2).time_us if seq else 0)
                if not (welcome.window or any(message.ack.window for message in messages)):
                    await heard(call, lambda message: message.ack.window > 0)
                await send(call, frame(1), frame(2))
                await heard(call, settles(2))


async def test_gaps_and_refused_frames_are_settled_and_counted(redis_url: str, database_url: str) -> None:
    async with serving(redis_url, database_url) as hub, collector(hub) as stub:
        call = await welcomed(stub)
        await say(call, batch=batch(gaps=[gap(1, 5)]))
        future = now_us() + 2 * 86_400 * SECOND_US
        await say(call, batch=batch(frame(6), frame(7, time_us=future), gaps=[gap(8, 8)]))
        messages = await heard(call, settles(8))
        rejected = [(one.seq, one.reason) for message in messages for one in message.ack.rejected]
        assert rejected == [(7, "its time is more than a day ahead")]
    assert (hub.ingest.losses.lost, hub.ingest.rejected) == (6, 1)
    assert rows(database_url) == [("web1", 6.0)]


async def test_by_how_much_a_clock_is_wrong_is_shown_and_handed_to_history(
    hub: Hub, history: HistoryOfNone, redis_url: str
) -> None:
    ahead_us = 3600 * SECOND_US
    async with collector(hub) as stub:
        call = await welcomed(stub)
        await say(call, layout=layout_to_wire(layout()))
        clock = now_us() + ahead_us
        await send(call, frame(1, time_us=clock), sent_us=clock)
        lane = stub.Live()
        await write(lane, pb.LiveMessage(hello=hello("web2")))
        await write(lane, pb.LiveMessage(layout=layout_to_wire(layout())))
        clock = now_us() - ahead_us
        await write(lane, pb.LiveMessage(frame=frame(1, time_us=clock), sent_us=clock))

        async def both() -> bool:
            return await shown_seq(redis_url, "web1") == await shown_seq(redis_url, "web2") == 1

        await until("both are shown", both)
    assert [(name, round(seconds / 60)) for name, seconds in history.skews] == [("web1", 60), ("web2", -60)]
    for name, sign in (("web1", 1), ("web2", -1)):
        machine = await shown(redis_url, name)
        assert machine
        assert machine.frame
        assert abs(machine.frame.skew_us - sign * ahead_us) < 60 * SECOND_US


async def _replay(stub: rpc.IngestStub, seconds_ago: int) -> None:
    call = await welcomed(stub)
    await say(call, layout=layout_to_wire(layout()))
    now = now_us()
    await send(call, frame(1, time_us=now - seconds_ago * SECOND_US), sent_us=now)


async def test_a_replay_is_not_shown_as_if_it_were_now(hub: Hub, history: HistoryOfNone, redis_url: str) -> None:
    """This hub may know nothing of what another one shows."""
    async with collector(hub) as stub:
        await _replay(stub, seconds_ago=60)
        await until("it has come", lambda: len(history.offered) == 1)
        assert await shown_seq(redis_url, "web1") is None
        await _replay(stub, seconds_ago=2)

        async def is_shown() -> bool:
            return await shown_seq(redis_url, "web1") == 1

        await until("what is no replay is shown", is_shown)


async def test_a_machine_that_was_forgotten_and_sends_is_met_again(
    hub: Hub, history: HistoryOfNone, redis_url: str
) -> None:
    async def is_shown(seq: int | None) -> bool:
        return await shown_seq(redis_url, "web1") == seq

    async with collector(hub) as stub:
        call = await welcomed(stub)
        await say(call, layout=layout_to_wire(layout()))
        await send(call, frame(1))
        await until("it is shown", lambda: is_shown(1))
        hub.live.forget(["web1"])
        await until("it is forgotten", lambda: is_shown(None))
        assert history.hellos == [hello()]
        await send(call, frame(2))
        await until("it is shown again", lambda: is_shown(2))
        assert history.hellos == [hello(), hello()]


async def test_more_connections_than_there_may_be_machines_are_refused_for_now(redis_url: str) -> None:
    async with serving_for(redis_url, HistoryOfNone(), replace(LIMITS, machines=2)) as hub, collector(hub) as stub:
        for _ in range(2):
            await welcomed(stub)
        call = stub.Ingest()
        await say(call, hello=hello())
        assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_hub_without_a_database_takes_nothing(redis_url: str) -> None:
    async with serving(redis_url, NOWHERE) as hub, collector(hub) as stub:
        call, welcome = await greeted(stub)
        assert welcome.window == 0
        await send(call, frame(1))
        assert (await ending(call)).code() == grpc.StatusCode.INVALID_ARGUMENT
