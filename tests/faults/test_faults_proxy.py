"""The proxy does to real connections what it is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import FINE, Proxy, Way, Weather
from tests.shared.real_server import until


@asynccontextmanager
async def echo(prefix: bytes = b"") -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(prefix + data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()


@asynccontextmanager
async def through(*upstreams: str) -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    async with Proxy(upstreams, random.Random(1)).running() as proxy:
        reader, writer = await connected(proxy)
        try:
            yield proxy, reader, writer
        finally:
            writer.close()


async def connected(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = proxy.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def exchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), 60)


async def test_in_fine_weather_everything_passes_as_it_is() -> None:
    data = random.Random(2).randbytes(1_000_000)
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        assert await exchanged(reader, writer, data) == data
        assert (proxy.accepted, proxy.damaged) == (1, 0)


async def test_connections_go_to_the_upstreams_in_turn() -> None:
    async with echo(b"1") as one, echo(b"2") as two, through(one, two) as (proxy, reader, writer):
        heard = [await exchanged(reader, writer, b"x")]
        heard += [await exchanged(*await connected(proxy), b"x") for _ in range(2)]
    assert heard == [b"1", b"2", b"1"]


async def test_a_connection_that_is_cut_ends_for_both_and_the_next_is_served() -> None:
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        await exchanged(reader, writer, b"x")
        proxy.cut()
        with pytest.raises(ConnectionError):
            assert await reader.read(1) == b""
            raise ConnectionResetError
        assert await exchanged(*await connected(proxy), b"y") == b"y"


@pytest.mark.parametrize("way", Way)
async def test_what_is_held_one_way_comes_once_it_is_let_go(way: Way) -> None:
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        proxy.weather = Weather(held=frozenset({way}))
        answer = asyncio.create_task(exchanged(reader, writer, b"x"))
        done, _ = await asyncio.wait({answer}, timeout=0.2)
        assert not done
        proxy.weather = FINE
        assert await answer == b"x"


async def test_a_held_connection_can_be_cut() -> None:
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        proxy.weather = Weather(held=frozenset(Way))
        writer.write(b"x")
        await asyncio.sleep(0.1)
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 60)


async def test_what_is_forgotten_is_never_heard_of_again_and_the_next_connection_is_served() -> None:
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        await exchanged(reader, writer, b"x")
        proxy.forget()
        writer.write(b"y")
        done, rest = await asyncio.wait({asyncio.create_task(reader.read(1))}, timeout=0.2)
        assert not done
        for task in rest:
            task.cancel()
        assert await exchanged(*await connected(proxy), b"z") == b"z"


async def test_delay_holds_bytes_up_and_loses_none() -> None:
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        proxy.weather = Weather(delay_seconds=0.1)
        started = asyncio.get_running_loop().time()
        assert await exchanged(reader, writer, b"x") == b"x"
        assert asyncio.get_running_loop().time() - started >= 0.2


async def test_damage_changes_about_as_many_bytes_as_it_is_told_by_one_bit_each() -> None:
    data = bytes(1_000_000)
    async with echo() as upstream, through(upstream) as (proxy, reader, writer):
        proxy.weather = Weather(damage_bytes=10_000)
        heard = await exchanged(reader, writer, data)
        changed = [byte for byte in heard if byte]
        assert all(byte.bit_count() == 1 for byte in changed)
        # Both ways: some 200.
        assert 100 < len(changed) <= proxy.damaged < 400


async def test_a_refused_connection_ends_at_once() -> None:
    async with echo() as upstream, through(upstream) as (proxy, _, _):
        proxy.weather = Weather(refuses=True)
        reader, _ = await connected(proxy)
        with pytest.raises(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 60) == b""
            raise ConnectionResetError
        await until("it has counted both", lambda: proxy.accepted == 2)


async def test_without_an_upstream_the_connection_ends() -> None:
    async with echo() as upstream:
        pass
    async with through(upstream) as (_, reader, _):
        with pytest.raises(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 60) == b""
            raise ConnectionResetError
