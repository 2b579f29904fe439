"""A client that says more than can be looked at costs the others neither time nor memory, and is gone when it goes."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from sysmonstm.gatewayd.line import SocketLine
from sysmonstm.gatewayd.pulse import Pulse
from tests.gatewayd.raw_watcher import PONG, RawWatcher
from tests.gatewayd.running_gateway import RunningGateway, until

# Masked with zeros, and without a payload: some versions of aiohttp count the bytes of payloads only.
EMPTY_PING, EMPTY_TEXT = b"\x89\x80" + bytes(4), b"\x81\x80" + bytes(4)
KINDS = pytest.mark.parametrize("message", [EMPTY_PING, PONG, EMPTY_TEXT], ids=["pings", "pongs", "texts"])


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When something that the client said was looked at."""
    times: list[float] = []
    monkeypatch.setattr(Pulse, "heard", lambda _, now: times.append(now))
    return times


@KINDS
async def test_others_have_their_turn_after_each_message(
    gateway: RunningGateway, heard: list[float], message: bytes
) -> None:
    with await RawWatcher.open(gateway) as watcher:
        await watcher.send(message * 1000)
        seen = [0]
        while len(heard) < 5:
            await asyncio.sleep(0)
            seen.append(len(heard))
        assert all(after - before <= 1 for before, after in pairwise(seen))


@KINDS
async def test_no_more_is_read_before_all_that_was_read_has_been_looked_at(
    gateway: RunningGateway, heard: list[float], message: bytes
) -> None:
    with await RawWatcher.open(gateway) as watcher:
        await watcher.send(message * 5)
        (client,) = gateway.gateway.hub.clients
        assert isinstance(client.line, SocketLine)
        transport = client.line._transport
        await until(lambda: len(heard) == 2)
        while len(heard) < 5:
            assert not transport.is_reading()
            await asyncio.sleep(0)
        await until(transport.is_reading)


@KINDS
async def test_one_that_goes_is_gone_whatever_it_has_said_before(
    gateway: RunningGateway, heard: list[float], message: bytes
) -> None:
    with await RawWatcher.open(gateway) as watcher:
        # A minute's worth.
        await watcher.send(message * 1200)
        await until(lambda: len(heard) > 0)
    await until(lambda: not gateway.gateway.hub.clients)
