"""A client that takes little skips what is no longer newest, and costs neither memory nor time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sysmonstm.gatewayd import line, websocket
from sysmonstm.gatewayd.client import Client
from sysmonstm.metric import Layout, Series
from tests.gatewayd.fleet_publisher import CORE, FleetPublisher
from tests.gatewayd.raw_watcher import RawWatcher
from tests.gatewayd.running_gateway import RunningGateway, serving, until

WIDE = Layout(tuple(Series(CORE, str(number)) for number in range(2000)))
# A sample of it as JSON is longer than this, and not as long as that.
LEAST_BYTES, MOST_BYTES = 20_000, 24_000


async def shower(gateway: RunningGateway, publisher: FleetPublisher, samples: int) -> None:
    """Many large samples of one machine, the number of each in its values."""
    for number in range(samples):
        publisher.sample("web1", [number + 0.123456] * 2000, WIDE)
        if number % 10 == 0:
            await asyncio.sleep(0)
    newest = gateway.gateway.hub.fleet.machines["web1"]
    await until(lambda: newest.frame is not None and int(newest.frame.frame.values[0]) == samples - 1)


def the_client(gateway: RunningGateway) -> Client:
    (client,) = gateway.gateway.hub.clients
    return client


def unsent(client: Client) -> int:
    assert isinstance(client.line, line.SocketLine)
    return client.line._transport.get_write_buffer_size()


async def test_it_skips_samples_and_catches_up_with_the_newest(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    counts = gateway.gateway.hub.counts
    with await RawWatcher.open(gateway) as watcher:
        client = the_client(gateway)
        await shower(gateway, publisher, 300)
        assert client.behind
        # It is sent nothing more once there is enough.
        assert unsent(client) < line.TRANSPORT_BYTES + MOST_BYTES + 300_000  # the snapshot with its layout
        waiting = unsent(client)
        before = counts.websocket_messages, counts.websocket_frames_skipped
        await shower(gateway, publisher, 400)
        assert unsent(client) <= waiting
        assert counts.websocket_messages - before[0] < 5  # beats
        assert counts.websocket_frames_skipped - before[1] > 390
        assert not client.notices.keys() - {("beat", "")}
        # Now it reads.
        await watcher.handshake()
        assert (await watcher.next())["type"] == "snapshot"
        told = await newest(watcher, 399)
        assert len(told) < 50
        assert told == sorted(told)
        publisher.sample("web1", [1000.0] * 2000, WIDE)
        assert await newest(watcher, 1000) == [1000]


async def newest(watcher: RawWatcher, last: int) -> list[int]:
    """The numbers of the samples that it is shown up to `last`."""
    told: list[int] = []
    while not told or told[-1] != last:
        message: dict[str, Any] = await watcher.next()
        told += [int(frame["values"][0]) for frame in message["frames"]]
    return told


async def test_ten_times_as_much_that_is_missed_costs_as_much_memory(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    with await RawWatcher.open(gateway):
        client = the_client(gateway)
        held = []
        for samples in (150, 1500):
            await shower(gateway, publisher, samples)
            channel = client.channel
            assert channel
            kept = sum(len(one.text) for one in client.notices.values())
            made = sum(len(one.text) for one in [*channel._opening, *channel._missed.values()] if one)
            held.append(unsent(client) + kept + made)
        assert held[1] <= held[0] + 1000


async def test_others_are_shown_all_meanwhile(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    with await RawWatcher.open(gateway):
        async with gateway.watch() as watcher:
            await watcher.next_of("snapshot")
            shown = []
            for number in range(100):
                publisher.sample("web1", [float(number)] * 2000, WIDE)
                (frame,) = (await watcher.next_of("frames"))["frames"]
                shown.append(frame["values"][0])
            assert shown == list(range(100))


async def test_one_that_takes_nothing_for_long_is_let_go_of_and_counted(
    gateway: RunningGateway, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "STALLED_SECONDS", 0.3)
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway):
        await shower(gateway, publisher, 300)
        await until(lambda: not hub.clients)
    assert hub.counts.websocket_clients_dropped == 1
    assert not len(hub.channels)


async def test_one_that_takes_nothing_does_not_keep_the_gateway_from_stopping(
    redis_url: str, database_url: str, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    async with serving(redis_url, database_url) as gateway:
        await gateway.knows("web1")
        with await RawWatcher.open(gateway):
            await shower(gateway, publisher, 300)
            assert the_client(gateway).behind
            began = time.monotonic()
            await gateway.server.close()
            assert time.monotonic() - began < line.STALLED_SECONDS / 2
            assert not gateway.gateway.hub.clients


async def test_one_that_answers_no_ping_is_let_go_of_with_all_that_is_unsent_and_counted(
    gateway: RunningGateway, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "HEARTBEAT_SECONDS", 0.4)
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway):
        client = the_client(gateway)
        await shower(gateway, publisher, 300)
        assert unsent(client) > 0
        await until(lambda: not hub.clients)
        await until(lambda: hub.counts.websocket_clients_dropped == 1)
        # Nobody would look after it any more.
        await until(lambda: unsent(client) == 0)
