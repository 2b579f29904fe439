"""Networks that delay, cut, open only half, change bytes, and part; several aggregatords behind one address."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.network import cable
from tests.faults.proxy import FINE, Proxy, Way, Weather
from tests.faults.schedule import Fault, Span
from tests.faults.stage import Stage
from tests.faults.watch import watching

HISTORY = {"backlog": 60, "span": 9000}

WEATHERS = {
    "delay": Weather(delay_seconds=0.3),
    "damage": Weather(damage_bytes=3000),
    "deaf": Weather(held=frozenset({Way.UP})),
    "dumb": Weather(held=frozenset({Way.DOWN})),
    "refuse": Weather(refuses=True),
}


async def test_the_network_is_bad(stage: Stage) -> None:
    hub = await stage.aggregator()
    async with (
        Proxy([hub.address], stage.rng).running() as proxy,
        watching(stage.servers.redis.url) as sight,
    ):
        stage.collect(proxy.address, machines=8, width=100, **HISTORY)

        async def strike(fault: Fault) -> None:
            if fault.kind in ("cut", "refuse"):
                proxy.cut()
            proxy.weather = WEATHERS.get(fault.kind, FINE)
            await asyncio.sleep(fault.lasts)
            proxy.weather = FINE

        ended = await stage.strike(stage.plan("cut", *WEATHERS, after=Span(0.3, 0.8), lasts=Span(0.5, 1.5)), strike)
        await stage.fresh(sight, ended, every=False)
        await stage.settle(fewest=8 * 80)
        print(f"{proxy.accepted} connections, {proxy.damaged} bytes changed")


async def test_no_byte_that_is_changed_on_the_way_is_believed(stage: Stage) -> None:
    """Every connection is damaged before long, so it takes many to carry everything."""
    hub = await stage.aggregator()
    async with Proxy([hub.address], stage.rng).running() as proxy:
        stage.collect(proxy.address, machines=8, width=100, interval=0.1, backlog=400, span=9000)
        proxy.weather = Weather(damage_bytes=20_000)
        await asyncio.sleep(max(5.0, stage.seconds))
        stage.check_while_running()
        proxy.weather = FINE
        await stage.settle(fewest=8 * 400)
        print(f"{proxy.accepted} connections, {proxy.damaged} bytes changed")
        assert proxy.damaged > 20


async def test_a_message_that_vanishes_on_the_way_is_missed(stage: Stage) -> None:
    """No checksum of its own tells of it: what follows must."""
    hub = await stage.aggregator()
    async with Proxy([hub.address], stage.rng).running() as proxy:
        stage.collect(proxy.address, machines=8, interval=0.1, backlog=200, span=9000)
        proxy.weather = Weather(vanish_messages=50)
        await asyncio.sleep(max(5.0, stage.seconds))
        stage.check_while_running()
        proxy.weather = FINE
        # More samples: the last message of all, if it vanished, would have nothing to tell of it.
        await asyncio.sleep(2)
        await stage.settle(fewest=8 * 200)
        print(f"{proxy.accepted} connections, {proxy.vanished} messages vanished")
        assert proxy.vanished > 5


@pytest.mark.long_faults
async def test_a_peer_that_has_vanished_is_found_by_keepalive(stage: Stage) -> None:
    """Nothing is answered and nothing reset: the collector has 40 s to notice, and then to come back."""
    hub = await stage.aggregator()
    async with (
        Proxy([hub.address], stage.rng).running() as proxy,
        watching(stage.servers.redis.url) as sight,
    ):
        stage.collect(proxy.address, machines=8)
        await sight.fresh([f"machine-{origin}" for origin in range(1, 9)], time.time(), 8)
        connected = proxy.accepted
        proxy.forget()
        vanished = time.time()
        waited = await sight.fresh([f"machine-{origin}" for origin in range(1, 9)], vanished, 1)
        print(f"seen again after {waited[0]:.1f} s")
        assert waited[0] < 45
        assert proxy.accepted > connected
        await stage.settle(fewest=8 * 80)


async def test_the_network_is_parted(stage: Stage) -> None:
    with cable() as wire:
        hub = await stage.aggregator(host=wire.host)
        stage.collect(hub.address, wire.enter, machines=8, **HISTORY)

        async def part(fault: Fault) -> None:
            wire.plug("down")
            await asyncio.sleep(fault.lasts)
            wire.plug("up")

        async with watching(stage.servers.redis.url) as sight:
            ended = await stage.strike(stage.plan("part", after=Span(1, 3), lasts=Span(1, 5)), part)
            await stage.fresh(sight, ended, every=False)
        await stage.settle(fewest=8 * 60)


async def test_a_stream_that_moves_between_aggregatords_loses_and_doubles_nothing(stage: Stage) -> None:
    hubs = [await stage.aggregator() for _ in range(2)]
    async with (
        Proxy([hub.address for hub in hubs], stage.rng).running() as proxy,
        watching(stage.servers.redis.url) as sight,
    ):
        # An odd number, so that each comes to the other one in turn.
        stage.collect(proxy.address, machines=9, **HISTORY)

        async def strike(fault: Fault) -> None:
            if fault.kind == "cut":
                proxy.cut()
            else:
                hub = stage.rng.choice(hubs)
                hub.kill()
                await asyncio.sleep(fault.lasts)
                hub.start()

        faults = stage.plan("cut", "kill", after=Span(1, 2), lasts=Span(0, 1), fewest=3)
        ended = await stage.strike(faults, strike)
        await stage.fresh(sight, ended, every=False)
        await stage.settle(fewest=9 * 80)
