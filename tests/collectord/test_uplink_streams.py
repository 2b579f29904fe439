"""Several streams in one spool, and a spool that was restored from an old copy of itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sysmonstm.collectord.spool.outbox import Outbox
from tests.collectord.scripted_hub import Call, ScriptedHub, free_address, serving, take, take_all
from tests.collectord.uplinked import EPOCH_US, outbox_in, uplinked
from tests.shared.real_server import until


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with outbox_in(tmp_path) as opened:
        yield opened


def restorations(caplog: pytest.LogCaptureFixture) -> int:
    return len([message for message in caplog.messages if "older than what the database has" in message])


async def test_the_oldest_stream_is_drained_first_and_then_the_next_on_the_same_connection(outbox: Outbox) -> None:
    streams: list[bytes] = []
    async with uplinked(outbox, free_address()) as collector:
        for count in (3, 2, 4):
            if streams:
                await outbox.rotate()
            streams.append(outbox.current_stream)
            await collector.offer(count)
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await collector.drained()
        await collector.offer()
        await collector.drained()
    assert [hello.stream for hello in hub.hellos] == streams
    assert [hub.seqs_of(stream) for stream in streams] == [[1, 2, 3], [1, 2], [1, 2, 3, 4, 5]]
    assert [frame.values[0] for frame in hub.frames][:9] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(set(hub.peers)) == 1


async def test_the_next_stream_waits_until_all_of_the_one_before_is_acknowledged(outbox: Outbox) -> None:
    acknowledge = asyncio.Event()

    async def late(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            await acknowledge.wait()
            await call.ack(hub.seqs[-1])

    hub = ScriptedHub(late, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        old = outbox.current_stream
        await collector.offer(2)
        await until("it has come", lambda: hub.seqs == [1, 2] or hub.seqs == [1])
        await outbox.rotate()
        await collector.offer()
        await until("the new one is shown", lambda: bool(hub.live_frames))
        assert hub.live[0].hello.stream == outbox.current_stream
        assert [hello.stream for hello in hub.hellos] == [old]
        acknowledge.set()
        await collector.drained()
    assert [hello.stream for hello in hub.hellos] == [old, outbox.current_stream]


@pytest.mark.parametrize(
    ("durable_seq", "time_us", "restored"),
    [
        (4, EPOCH_US + 4, True),
        (4, 0, True),
        (3, EPOCH_US + 1000, True),
        (3, EPOCH_US + 3, False),
        (3, 0, False),
        (0, 0, False),
    ],
)
async def test_the_database_having_what_this_spool_has_not_issued_begins_a_new_stream(
    outbox: Outbox, caplog: pytest.LogCaptureFixture, durable_seq: int, time_us: int, restored: bool
) -> None:
    opened = asyncio.Event()

    async def know(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=0)
        await call.cursor(durable_seq, time_us)
        # What the database has beside it settles nothing of what was not sent.
        await call.ack(durable_seq, window=0)
        await opened.wait()
        await call.ack(0)
        await take(hub, call)

    async with uplinked(outbox, free_address()) as collector:
        await collector.offer(3)
    old = outbox.current_stream
    hub = ScriptedHub(know, take_all)
    async with serving(hub) as address, uplinked(outbox, address) as collector:
        await until("it is connected", lambda: collector.uplink.connected_to == address)
        if restored:
            await until("a new stream is begun", lambda: outbox.current_stream != old)
        else:
            await asyncio.sleep(0.3)
        new = outbox.current_stream
        await collector.offer(2)
        await until("the newest is shown", lambda: bool(hub.live_frames))
        assert outbox.unacknowledged == 5
        opened.set()
        await collector.drained()
    assert hub.live[0].hello.stream == new
    assert (new != old) is restored
    assert restorations(caplog) == restored
    assert hub.seqs_of(old) == ([1, 2, 3] if restored else [1, 2, 3, 4, 5])
    assert hub.seqs_of(new) == ([1, 2] if restored else [1, 2, 3, 4, 5])


async def test_a_spool_restored_from_an_old_copy_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool, copy = tmp_path / "spool", tmp_path / "copy"
    hub = ScriptedHub(take_all)
    async with outbox_in(spool) as outbox, uplinked(outbox, free_address()) as collector:
        await collector.offer(5)
    shutil.copytree(spool, copy)
    async with serving(hub) as address, outbox_in(spool) as outbox, uplinked(outbox, address) as collector:
        await collector.drained()
        await collector.offer(5)
        await collector.drained()
    (stream, _), durable = hub.batches[-1], hub.frames[-1]
    shutil.rmtree(spool)
    copy.rename(spool)

    async def know(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=0)
        if call.hello.stream == stream:
            await call.cursor(durable.seq, durable.time_us)
        await call.ack(0)
        await take(hub, call)

    again = ScriptedHub(know)
    async with serving(again) as address, outbox_in(spool) as outbox, uplinked(outbox, address) as collector:
        assert outbox.current_stream == stream
        await until("a new stream is begun", lambda: outbox.current_stream != stream)
        await collector.offer(3)
        await collector.drained()
        assert again.seqs_of(outbox.current_stream) == [1, 2, 3]
    assert again.seqs_of(stream) == [1, 2, 3, 4, 5]
    assert restorations(caplog) == 1
