"""A client that takes little skips what is no longer newest, and costs neither memory nor time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest

from sysmonstm.gatewayd import backlog, line, messages, pulse
from sysmonstm.gatewayd.client import Client
from sysmonstm.metric import Layout, Series
from tests.gatewayd.fleet_publisher import CORE, FleetPublisher
from tests.gatewayd.raw_watcher import BINARY, PING, PONG, RawWatcher
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
    """What is kept for it, the kernel's part not counted."""
    assert isinstance(client.line, line.SocketLine)
    return client.line.buffered + client.line._waiting_bytes


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
        assert client.line.buffered <= line.LEFT_BYTES + line.PART_BYTES
        assert unsent(client) < client.line.buffered + MOST_BYTES + 300_000  # the snapshot with its layout
        waiting = unsent(client)
        before = counts.websocket_messages, counts.websocket_frames_skipped
        await shower(gateway, publisher, 400)
        assert unsent(client) <= waiting + len(messages.PING)
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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is dead is found out within seconds."""
    for name, seconds in (("LOOK", 0.05), ("QUIET", 0.2), ("STALLED", 2.0), ("ANSWER", 1.0)):
        monkeypatch.setattr(pulse, f"{name}_SECONDS", seconds)


@pytest.mark.usefixtures("impatient")
async def test_one_that_reads_slowly_but_steadily_stays_though_pings_reach_it_late(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway) as watcher:
        await watcher.handshake()
        pings: list[float] = []
        number = 0
        while len(pings) < 4:
            for _ in range(3):
                publisher.sample("web1", [float(number := number + 1)] * 2000, WIDE)
            for frame in await watcher.sip(2000):
                pings += [time.monotonic()] if frame[0] & 15 == PING else []
            assert hub.clients, "it was let go of"
            await asyncio.sleep(0.04)
    # Each was sent once the one before had been answered for a while, and then lay behind what is unsent.
    waited = [later - earlier - pulse.QUIET_SECONDS for earlier, later in pairwise(pings)]
    assert max(waited) > pulse.ANSWER_SECONDS
    assert hub.counts.websocket_frames_skipped > 0
    assert hub.counts.websocket_clients_dropped == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("samples", [0, 300])
async def test_one_that_answers_no_ping_or_takes_nothing_is_let_go_of_with_all_that_is_unsent_and_counted(
    gateway: RunningGateway, publisher: FleetPublisher, samples: int
) -> None:
    """With nothing unsent the kernel takes the ping for it, which is all that it ever does."""
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway, "?machines=web1&metrics=" if samples == 0 else ""):
        client = the_client(gateway)
        if samples:
            await shower(gateway, publisher, samples)
        await until(lambda: not hub.clients)
        await until(lambda: hub.counts.websocket_clients_dropped == 1)
        # Nobody would look after it any more.
        await until(lambda: unsent(client) == 0)
    assert hub.unsent_bytes == 0
    assert not len(hub.channels)


async def test_of_one_that_must_leave_and_does_not_answer_to_that_nothing_is_kept(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    small = Layout(WIDE.series[:100])
    publisher.show("web1", [0.0] * 100, small)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway) as watcher:
        client = the_client(gateway)
        for number in itertools.count():
            if client.line.buffered:
                break
            publisher.sample("web1", [number + 0.123456] * 100, small)
            await asyncio.sleep(0.001)
        # So little that nobody waits until it is taken.
        assert not client.line.full
        await watcher.send(BINARY)
        await until(lambda: not hub.clients)
        await until(lambda: unsent(client) == 0)


@pytest.mark.usefixtures("impatient")
async def test_one_that_says_much_but_takes_nothing_is_let_go_of(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway) as watcher:
        await shower(gateway, publisher, 300)
        with contextlib.suppress(ConnectionError):
            while hub.clients:
                await watcher.send(PONG)
                await asyncio.sleep(0.05)
    assert hub.counts.websocket_clients_dropped == 1


async def test_what_many_have_not_taken_is_kept_once(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [0.0] * 10_000, Layout(tuple(Series(CORE, str(number)) for number in range(10_000))))
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    async with AsyncExitStack() as stack:
        for _ in range(20):
            stack.enter_context(await RawWatcher.open(gateway))
        await until(lambda: all(client.line.full for client in hub.clients))
        snapshot = max(len(one) for client in hub.clients for one in client.line._waiting)  # type: ignore[attr-defined]
        assert snapshot > 800_000
        # Some may have come after the first picture was too old.
        assert hub.backlog.octets <= 4 * snapshot
        assert hub.unsent_bytes - hub.backlog.octets <= 20 * (line.LEFT_BYTES + line.PART_BYTES)
        async with gateway.session.get(gateway.server.make_url("/metrics")) as response:
            assert f"gatewayd_websocket_unsent_bytes {hub.unsent_bytes}\n" in await response.text()
    await until(lambda: not hub.clients)
    assert hub.unsent_bytes == 0


async def test_where_too_much_is_unsent_to_all_together_who_is_behind_waits_and_others_do_not(
    gateway: RunningGateway, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    async with gateway.watch() as quick:
        await quick.next_of("snapshot")
        with await RawWatcher.open(gateway) as stalled:
            await shower(gateway, publisher, 300)
            await until(lambda: hub.backlog.octets > 0)
            while (await quick.next_of("frames"))["frames"][0]["values"][0] < 299:
                pass
            monkeypatch.setattr(backlog, "MOST_BYTES", 1)
            async with gateway.watch() as late:
                await until(lambda: hub.counts.websocket_held_back == 1)
                publisher.sample("web1", [1000.0] * 2000, WIDE)
                assert (await quick.next_of("frames"))["frames"][0]["values"][0] == 1000.0
                assert hub.counts.websocket_held_back == 1
                told = asyncio.create_task(late.next_of_any())
                await stalled.handshake()
                while not told.done():
                    await stalled.frame()
                snapshot = await told
                assert (snapshot["type"], snapshot["machines"][0]["values"][0]) == ("snapshot", 1000.0)


async def test_one_that_reads_a_trickle_stays_until_somebody_waits_for_the_room_that_it_takes(
    gateway: RunningGateway, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(backlog, "HOLD_SECONDS", 1.0)
    publisher.show("web1", [0.0] * 2000, WIDE)
    await gateway.knows("web1")
    hub = gateway.gateway.hub
    with await RawWatcher.open(gateway) as trickling:
        client = the_client(gateway)
        await shower(gateway, publisher, 300)
        monkeypatch.setattr(backlog, "MOST_BYTES", 1)
        while client.line.held_seconds < 2:  # type: ignore[attr-defined]
            await trickling.sip(10)
            await asyncio.sleep(0.05)
        assert client in hub.clients
        assert hub.backlog.spent
        async with gateway.watch() as late:
            told = asyncio.create_task(late.next_of("snapshot"))
            with contextlib.suppress(ConnectionError):
                while not told.done():
                    await trickling.sip(10)
                    await asyncio.sleep(0.05)
            assert (await told)["machines"][0]["machine"] == "web1"
            assert client not in hub.clients
            assert hub.counts.websocket_clients_dropped == 1


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
            assert time.monotonic() - began < pulse.STALLED_SECONDS / 2
            assert not gateway.gateway.hub.clients
