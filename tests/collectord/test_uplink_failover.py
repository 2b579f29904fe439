"""Several addresses, and a hub that is dead without having said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from sysmonstm.collectord.calls import CHANNEL_OPTIONS, DisconnectedError
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.uplink import Uplink
from tests.collectord.scripted_hub import Call, ScriptedHub, free_address, last_seq, serving, take_all
from tests.collectord.uplinked import HELLO, NoWait, outbox_in, uplinked
from tests.shared.real_server import until


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with outbox_in(tmp_path) as opened:
        yield opened


class Line:
    """A TCP line to an address, which may be cut without a word to either side."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = host, int(port)
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: list[asyncio.StreamWriter] = []
        self.address = ""

    def cut(self) -> None:
        """From now on nothing arrives, in either direction; connections stay open, and new ones are accepted."""
        self._whole.clear()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for end in self._ends:
                end.transport.abort()
            self._whole.set()
            await until("all that was carried has ended", lambda: not self._ends)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        ends = [writer, far_writer]
        self._ends += ends
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._ends = [end for end in self._ends if end not in ends]

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
        writer.close()


async def test_the_next_address_is_tried_where_one_does_not_answer(outbox: Outbox) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, uplinked(outbox, free_address(), free_address(), address) as collector:
        await collector.offer(2)
        await collector.drained()
        assert collector.uplink.connected_to == address
    assert hub.seqs == [1, 2]


async def test_a_hub_that_dies_is_left_for_the_next_which_is_kept(outbox: Outbox) -> None:
    first, second = ScriptedHub(take_all), ScriptedHub(take_all)
    async with AsyncExitStack() as stack, serving(second) as other:
        address = await stack.enter_async_context(serving(first))
        async with uplinked(outbox, address, other) as collector:
            await collector.offer()
            await collector.drained()
            await stack.aclose()
            await collector.offer()
            await collector.drained()
            async with serving(first, int(address.rpartition(":")[2])):
                await collector.offer()
                await collector.drained()
                assert collector.uplink.connected_to == other
    assert (first.seqs, second.seqs) == ([1], [2, 3])


async def test_after_a_good_connection_the_first_address_is_tried_first(outbox: Outbox) -> None:
    end = asyncio.Event()

    async def take_some(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            await call.ack(last_seq(message.batch))
            await end.wait()
            return

    first, second, third = ScriptedHub(take_all), ScriptedHub(take_some), ScriptedHub(take_all)
    async with serving(second) as address, serving(third) as last, AsyncExitStack() as stack:
        gone = free_address()
        collector = await stack.enter_async_context(uplinked(outbox, gone, address, last))
        await collector.offer()
        await collector.drained()
        async with serving(first, int(gone.rpartition(":")[2])):
            end.set()
            await until("the first is found", lambda: collector.uplink.connected_to == gone)
    assert third.hellos == []


async def test_a_hub_that_dies_again_and_again_is_not_waited_for_longer_as_long_as_it_settles_something(
    outbox: Outbox,
) -> None:
    waits: list[float] = []

    class Noting(NoWait):
        def uniform(self, a: float, b: float) -> float:
            waits.append(b)
            return super().uniform(a, b)

    async def take_and_end(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            await call.ack(last_seq(message.batch))
            await until("it is taken in", lambda: outbox.unacknowledged == 0)
            return

    async def end(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()

    hub = ScriptedHub(take_and_end, take_and_end, take_and_end, end, end, end, take_all)
    async with serving(hub) as address, uplinked(outbox, address, rng=Noting()) as collector:
        for count in range(2, 5):
            await collector.offer()
            await until("it is connected anew", lambda count=count: len(hub.hellos) >= count)
        await until("the last has its turn", lambda: len(hub.hellos) == 7)
    assert waits == [1, 1, 1, 2, 4, 8]


async def test_told_to_end_while_a_connection_breaks_it_ends(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TaskGroup that is cancelled while a task of it fails may raise what failed, and nothing else."""

    async def break_when_cancelled(self: Uplink, address: str) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise DisconnectedError("it has ended the stream") from None

    monkeypatch.setattr(Uplink, "_connected", break_when_cancelled)
    running = asyncio.create_task(Uplink(HELLO, ["127.0.0.1:1"], outbox, NoWait()).run())
    await asyncio.sleep(0)
    running.cancel()
    await until("it has ended", running.done)


async def test_each_uplink_of_a_process_has_a_connection_of_its_own(outbox: Outbox, tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(hub))
        other = await stack.enter_async_context(outbox_in(tmp_path / "other"))
        for spool in (outbox, other):
            await stack.enter_async_context(uplinked(spool, address))
        await until("both are connected", lambda: len(hub.peers) == 2)
    assert len(set(hub.peers)) == 2


async def test_a_hub_that_is_dead_without_a_word_is_left_by_keepalive(outbox: Outbox) -> None:
    """At the settings of every day: the wait that this fails after is longer than the 40 s that are promised."""
    silent, alive = ScriptedHub(take_all), ScriptedHub(take_all)
    async with serving(silent) as address, serving(alive) as other:
        line = Line(address)
        async with line.open(), uplinked(outbox, line.address, other) as collector:
            await collector.offer()
            await collector.drained()
            line.cut()
            await collector.offer(2)
            await until("another hub is found", lambda: collector.uplink.connected_to == other)
            await collector.drained()
    assert (silent.seqs, alive.seqs) == ([1], [2, 3])


def test_a_dead_hub_is_found_within_40_seconds() -> None:
    options = dict(CHANNEL_OPTIONS)
    patience = options["grpc.keepalive_timeout_ms"], options["grpc.http2.ping_timeout_ms"]
    assert options["grpc.keepalive_time_ms"] + max(patience) < 40_000
