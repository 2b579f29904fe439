from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord import uplink as uplink_module
from sysmonstm.collectord.backlog import Backlog
from sysmonstm.collectord.uplink import Uplink
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.collectord.scripted_hub import (
    HELLO,
    Context,
    ScriptedHub,
    free_address,
    serving,
    take_all,
    uplinked,
    welcome,
)
from tests.shared.real_server import until

LAYOUTS = [Layout((Series(Metric(f"a.b{number}", "count", Kind.GAUGE, "")),)) for number in range(2)]

Messages = AsyncIterator[pb.CollectorMessage]


def offer(uplink: Uplink, count: int, number: int = 0) -> None:
    for _ in range(count):
        uplink.offer(1, LAYOUTS[number], [1.0])


async def drained(uplink: Uplink) -> None:
    async with asyncio.timeout(60):
        await uplink.drained()


async def test_samples_are_sent_in_order_and_forgotten_once_they_are_acknowledged() -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(address) as (uplink, backlog):
        offer(uplink, 3)
        await drained(uplink)
        offer(uplink, 2)
        await drained(uplink)
        assert uplink.connected_to == address
        assert (len(backlog), backlog.dropped) == (0, 0)
    assert hub.hellos == [HELLO]
    assert hub.seqs == [1, 2, 3, 4, 5]


async def test_a_hub_that_never_welcomes_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_module, "WELCOME_SECONDS", 0.2)

    async def say_nothing(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        await asyncio.sleep(3600)

    hub = ScriptedHub(say_nothing, take_all)
    async with serving(hub) as address, uplinked(address) as (uplink, _):
        offer(uplink, 1)
        await drained(uplink)
    assert len(hub.hellos) == 2


async def test_while_the_window_is_shut_the_newest_goes_by_the_live_lane_with_its_layout() -> None:
    opened = asyncio.Event()

    async def shut(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        await welcome(context, window=0)
        await opened.wait()
        await context.write(pb.AggregatorMessage(ack=pb.Ack(window=8)))
        async for message in messages:
            hub.frames += message.batch.frames
            await context.write(pb.AggregatorMessage(ack=pb.Ack(durable_seq=hub.frames[-1].seq, window=8)))

    hub = ScriptedHub(shut)
    async with serving(hub) as address, uplinked(address) as (uplink, _):
        for turn, number in enumerate((0, 0, 1), start=1):
            offer(uplink, 2, number)
            await until("it is shown", lambda turn=turn: bool(hub.live) and hub.live[-1].frame.seq == 2 * turn)
        assert hub.frames == []
        opened.set()
        await drained(uplink)
    said = [message.WhichOneof("message") for message in hub.live]
    assert said == ["hello", "layout", "frame", "frame", "layout", "frame"]
    assert [message.frame.seq for message in hub.live if message.HasField("frame")] == [2, 4, 6]
    assert hub.seqs == [1, 2, 3, 4, 5, 6]


async def test_a_layout_of_any_sample_that_waits_is_sent_when_it_is_asked_for() -> None:
    async def ask(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        await welcome(context)
        async for message in messages:
            if message.HasField("layout"):
                hub.layouts.append(message.layout.id)
                await context.write(pb.AggregatorMessage(ack=pb.Ack(durable_seq=hub.frames[-1].seq, window=8)))
            else:
                hub.frames += message.batch.frames
                need = pb.NeedLayout(layout_id=hub.frames[0].layout_id)
                await context.write(pb.AggregatorMessage(need_layout=need))

    hub = ScriptedHub(ask)
    backlog = Backlog(10**6)
    backlog.append(1, LAYOUTS[0], [1.0])
    async with serving(hub) as address, uplinked(address, backlog=backlog) as (uplink, _):
        offer(uplink, 2, number=1)
        await drained(uplink)
    assert hub.layouts[0] == LAYOUTS[0].id


async def test_a_layout_that_nobody_has_any_more_makes_it_connect_anew() -> None:
    """The hub would wait for it for ever, and take nothing else."""

    async def ask_for_nonsense(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        await welcome(context)
        await context.write(pb.AggregatorMessage(need_layout=pb.NeedLayout(layout_id=b"?" * 16)))
        await asyncio.sleep(3600)

    hub = ScriptedHub(ask_for_nonsense, take_all)
    async with serving(hub) as address, uplinked(address) as (uplink, _):
        offer(uplink, 1)
        await drained(uplink)
    assert hub.seqs == [1]


async def test_rejected_samples_are_forgotten_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def reject(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        await welcome(context)
        async for message in messages:
            seq = message.batch.frames[-1].seq
            rejected = [pb.Rejection(seq=seq, reason="too odd")]
            await context.write(pb.AggregatorMessage(ack=pb.Ack(durable_seq=seq, rejected=rejected, window=8)))

    async with serving(ScriptedHub(reject)) as address, uplinked(address) as (uplink, _):
        for _ in range(3):
            offer(uplink, 1)
            await drained(uplink)
        assert uplink.refused == 3
    assert len([message for message in caplog.messages if "refuses samples" in message]) == 1


async def _end(hub: ScriptedHub, messages: Messages, context: Context) -> None:
    await welcome(context)


async def _abort(hub: ScriptedHub, messages: Messages, context: Context) -> None:
    await welcome(context)
    await anext(messages)
    await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")


async def _refuse(hub: ScriptedHub, messages: Messages, context: Context) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")


@pytest.mark.parametrize("script", [_end, _abort, _refuse])
async def test_a_stream_that_the_hub_ends_is_made_anew_and_nothing_is_lost(
    script: object, caplog: pytest.LogCaptureFixture
) -> None:
    hub = ScriptedHub(script, script, take_all)  # type: ignore[arg-type]  # they are scripts
    async with serving(hub) as address, uplinked(address) as (uplink, _):
        offer(uplink, 3)
        await drained(uplink)
    assert hub.seqs == [1, 2, 3]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


async def test_a_hub_that_is_killed_and_comes_back_gets_everything_in_the_end() -> None:
    async def take_and_forget(hub: ScriptedHub, messages: Messages, context: Context) -> None:
        """Acknowledges every other batch only."""
        await welcome(context)
        async for message in messages:
            hub.frames += message.batch.frames
            if len(hub.frames) % 2:
                await context.write(pb.AggregatorMessage(ack=pb.Ack(durable_seq=hub.frames[-1].seq, window=8)))

    first, second = ScriptedHub(take_and_forget), ScriptedHub(take_all)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(first))
        async with uplinked(address) as (uplink, backlog):
            for count in range(1, 5):
                offer(uplink, 1)
                await until("it has come", lambda count=count: len(first.frames) >= count)
            await until("three are acknowledged", lambda: len(backlog) == 1)
            await stack.aclose()
            offer(uplink, 3)
            async with serving(second, int(address.rpartition(":")[2])):
                await drained(uplink)
    assert second.seqs == sorted(set(second.seqs))
    assert set(first.seqs) | set(second.seqs) == set(range(1, 8))
    assert second.seqs[0] == 4


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(free_address(), free_address(), address) as (uplink, _):
        offer(uplink, 2)
        await drained(uplink)
        assert uplink.connected_to == address
    assert hub.seqs == [1, 2]


async def test_while_no_hub_answers_it_says_so_once_and_keeps_what_fits(caplog: pytest.LogCaptureFixture) -> None:
    address = free_address()
    async with uplinked(address, backlog=Backlog(100)) as (uplink, backlog):
        offer(uplink, 50)
        await asyncio.sleep(1.0)
        assert uplink.connected_to == ""
        assert 0 < len(backlog) < 50
        assert backlog.dropped == 50 - len(backlog)
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [f"the aggregator at {address} does not take samples; they wait here"]


async def test_the_main_threads_timers_stay_exact() -> None:
    slack = Path("/proc/self/timerslack_ns")
    before = slack.read_text()
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(address) as (uplink, _):
        offer(uplink, 1)
        await drained(uplink)
        assert slack.read_text() == before
