"""The durable lane: what is sent, what is acknowledged, and what happens when a call ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord import durable
from sysmonstm.collectord.live import now_us
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.scripted_hub import Call, ScriptedHub, free_address, last_seq, serving, take_all
from tests.collectord.uplinked import EPOCH_US, HELLO, LAYOUTS, hung_disk, outbox_in, uplinked
from tests.shared.real_server import until


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with outbox_in(tmp_path) as opened:
        yield opened


async def test_samples_are_sent_in_order_and_forgotten_once_they_are_acknowledged(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer(3)
        await collector.drained()
        await collector.offer(2)
        await collector.drained()
        assert collector.uplink.connected_to == address
        assert outbox.unacknowledged == 0
    stream = outbox.current_stream
    (hello,) = hub.hellos
    assert hello.stream == stream
    hello.stream = b""
    assert hello == HELLO
    assert hub.seqs == [1, 2, 3, 4, 5]
    assert [frame.time_us - EPOCH_US for frame in hub.frames] == [1, 2, 3, 4, 5]
    assert collector.acknowledged[-1] == (stream, 5)


async def test_a_batch_says_when_it_is_sent(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        before = now_us()
        await collector.offer()
        await collector.drained()
        assert before <= hub.batches[0][1].sent_us <= now_us()


async def test_a_hub_that_never_welcomes_is_left(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "WELCOME_SECONDS", 0.2)

    async def say_nothing(hub: ScriptedHub, call: Call) -> None:
        await asyncio.sleep(3600)

    hub = ScriptedHub(say_nothing, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer()
        await collector.drained()
    assert len(hub.hellos) == 2


async def test_no_more_batches_are_unacknowledged_than_the_window_lets_be(outbox: Outbox) -> None:
    acknowledged = asyncio.Semaphore(0)

    async def slowly(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=2, frames_per_batch=3)
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            if len(hub.batches) >= 2:
                await acknowledged.acquire()
                oldest = hub.batches[len(hub.batches) - 2][1]
                await call.ack(last_seq(oldest), window=2, frames_per_batch=3)

    hub = ScriptedHub(slowly)
    async with serving(hub) as address:
        async with uplinked(outbox, free_address()) as collector:
            await collector.offer(30)
        async with uplinked(outbox, address):
            for round_ in range(2, 8):
                await until("as many have come as may", lambda round_=round_: len(hub.batches) == round_)
                await asyncio.sleep(0.1)
                assert len(hub.batches) == round_
                acknowledged.release()
    assert [len(batch.frames) for _, batch in hub.batches][:7] == [3] * 7


async def test_the_size_of_batches_follows_what_the_acks_say(outbox: Outbox) -> None:
    async def pacing(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=1, frames_per_batch=2)
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            await call.ack(last_seq(message.batch), window=1, frames_per_batch=2 * len(message.batch.frames))

    async with uplinked(outbox, free_address()) as collector:
        await collector.offer(30)
    hub = ScriptedHub(pacing)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.drained()
    assert [len(batch.frames) for _, batch in hub.batches] == [2, 4, 8, 16]


async def test_a_gap_is_sent_where_it_belongs(tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with outbox_in(tmp_path, Limits(most_bytes=64 * 1024, free_bytes=0)) as outbox:
        async with uplinked(outbox, free_address()) as collector:
            await collector.offer(5000)
        shed = outbox.state.shed
        async with serving(hub) as address, uplinked(outbox, address) as collector:
            await collector.offer()
            await collector.drained()
    assert shed > 0
    gaps = [gap for _, batch in hub.batches for gap in batch.gaps]
    assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in gaps] == [(1, shed, pb.GAP_REASON_SHED)]
    assert hub.batches[0][1].gaps
    assert hub.seqs == list(range(shed + 1, 5002))


async def test_a_layout_of_any_sample_that_waits_is_sent_when_it_is_asked_for(outbox: Outbox) -> None:
    async def ask(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            if message.HasField("layout"):
                hub.layouts.append(message.layout.id)
                await call.ack(hub.seqs[-1])
            else:
                hub.batches.append((call.hello.stream, message.batch))
                await call.need(hub.frames[0].layout_id)

    async with uplinked(outbox, free_address()) as collector:
        await collector.offer()
    hub = ScriptedHub(ask)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer(2, layout=1)
        await collector.drained()
    assert hub.layouts[0] == LAYOUTS[0].id


async def test_a_layout_that_nobody_has_any_more_makes_it_connect_anew(outbox: Outbox) -> None:
    """The hub would wait for it for ever, and take nothing else."""

    async def ask_for_nonsense(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        await call.need(b"?" * 16)
        await asyncio.sleep(3600)

    hub = ScriptedHub(ask_for_nonsense, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer()
        await collector.drained()
    assert hub.seqs == [1]


async def test_rejected_samples_are_forgotten_counted_and_logged_once(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def reject(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            seq = last_seq(message.batch)
            await call.ack(seq, rejected=[pb.Rejection(seq=seq, reason="too odd")])

    async with serving(ScriptedHub(reject)) as address, uplinked(outbox, address) as collector:
        for _ in range(3):
            await collector.offer()
            await collector.drained()
        assert collector.uplink.refused == 3
    assert len([message for message in caplog.messages if "refuses samples" in message]) == 1


async def _end(hub: ScriptedHub, call: Call) -> None:
    await call.welcome()


async def _abort(hub: ScriptedHub, call: Call) -> None:
    await call.welcome()
    await anext(aiter(call))
    await call.context.abort(grpc.StatusCode.UNAVAILABLE, "draining")


async def _refuse(hub: ScriptedHub, call: Call) -> None:
    await call.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")


async def _find_damage(hub: ScriptedHub, call: Call) -> None:
    await call.welcome()
    await anext(aiter(call))
    await call.context.abort(grpc.StatusCode.DATA_LOSS, "a message was damaged on the way")


async def _damaged_ack(hub: ScriptedHub, call: Call) -> None:
    await call.welcome()
    async for message in call:
        ack = pb.Ack(durable_seq=last_seq(message.batch), window=8)
        await call.say(pb.AggregatorMessage(ack=ack), damage=1)


async def _damaged_welcome(hub: ScriptedHub, call: Call) -> None:
    await call.say(pb.AggregatorMessage(welcome=pb.Welcome(window=8)), damage=1)
    await asyncio.sleep(3600)


async def _nonsense(hub: ScriptedHub, call: Call) -> None:
    await call.welcome()
    await call.context.write(pb.Sealed(message=b"\xff", crc32=0xFF000000))
    await asyncio.sleep(3600)


@pytest.mark.parametrize(
    "script",
    [_end, _abort, _refuse, _find_damage, _damaged_ack, _damaged_welcome, _nonsense],
    ids=lambda one: one.__name__,
)
async def test_a_stream_that_is_ended_is_made_anew_and_nothing_is_lost(
    script: object, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    hub = ScriptedHub(script, script, take_all)  # type: ignore[arg-type]  # they are scripts
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer(3)
        await collector.drained()
    assert len(hub.hellos) == 3
    assert hub.seqs == [1, 2, 3]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


async def test_a_hub_that_is_killed_and_comes_back_gets_everything_in_the_end(outbox: Outbox) -> None:
    async def take_and_forget(hub: ScriptedHub, call: Call) -> None:
        """Acknowledges every other batch only."""
        await call.welcome()
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            if len(hub.frames) % 2:
                await call.ack(hub.seqs[-1])

    first, second = ScriptedHub(take_and_forget), ScriptedHub(take_all)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(first))
        async with uplinked(outbox, address) as collector:
            for count in range(1, 5):
                await collector.offer()
                await until("it has come", lambda count=count: len(first.frames) >= count)
            await until("three are acknowledged", lambda: outbox.unacknowledged == 1)
            await stack.aclose()
            await collector.offer(3)
            async with serving(second, int(address.rpartition(":")[2])):
                await collector.drained()
    assert first.seqs == [1, 2, 3, 4]
    assert second.seqs == [4, 5, 6, 7]


async def test_while_no_hub_answers_it_says_so_once_and_the_spool_keeps_them(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    address = free_address()
    async with uplinked(outbox, address) as collector:
        await collector.offer(50)
        await asyncio.sleep(1.0)
        assert collector.uplink.connected_to == ""
        assert outbox.unacknowledged == 50
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [f"the aggregator at {address} does not take samples; they wait here"]


async def test_a_disk_that_hangs_does_not_keep_the_end_of_a_call_from_being_heard(outbox: Outbox) -> None:
    hangs = asyncio.Event()

    async def ask_and_end(hub: ScriptedHub, call: Call) -> None:
        """Both of what it says have to be looked up in the spool."""
        await call.welcome(window=1)
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            await hangs.wait()
            await call.cursor(1, EPOCH_US + 1)
            await call.need(LAYOUTS[0].id)
            return

    hub = ScriptedHub(ask_and_end, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer(2)
        await until("the first has come", lambda: bool(hub.seqs))
        async with hung_disk(outbox):
            hangs.set()
            await until("it is connected anew", lambda: len(hub.hellos) == 2)
        await collector.drained()
    assert set(hub.seqs) == {1, 2}


async def test_the_main_threads_timers_stay_exact(outbox: Outbox) -> None:
    slack = Path("/proc/self/timerslack_ns")
    before = slack.read_text()
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.offer()
        await collector.drained()
        assert slack.read_text() == before
