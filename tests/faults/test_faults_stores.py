"""PostgreSQL and Redis stop, hang and forget."""

from __future__ import annotations

import asyncio
import time

from redis import Redis

from tests.faults.schedule import Fault, Span
from tests.faults.stage import Stage
from tests.faults.watch import watching

HISTORY = {"backlog": 60, "span": 9000}


async def test_postgresql_is_stopped_for_long(stage: Stage) -> None:
    """Live goes on meanwhile, and the spools hold what history misses."""
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)
    async with watching(stage.servers.redis.url) as sight:
        await sight.fresh([f"machine-{origin}" for origin in range(1, 9)], time.time(), 8)
        stage.servers.postgres.kill()
        await stage.fresh(sight, time.time())
        waiting = stage.ledger().unacknowledged
        await asyncio.sleep(max(6.0, stage.seconds))
        await stage.fresh(sight, time.time())
        assert stage.ledger().unacknowledged > waiting
        await asyncio.to_thread(stage.servers.postgres.start)
        await stage.fresh(sight, time.time())
    stage.check_while_running()
    await stage.settle(fewest=8 * 60)


async def test_postgresql_hangs(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)
    async with watching(stage.servers.redis.url) as sight:

        async def freeze(fault: Fault) -> None:
            stage.servers.postgres.freeze()
            await stage.fresh(sight, time.time())
            await asyncio.sleep(fault.lasts)
            await stage.fresh(sight, time.time())
            stage.servers.postgres.thaw()

        faults = stage.plan("freeze", after=Span(1, 3), lasts=Span(3, 7), fewest=1)
        ended = await stage.strike(faults, freeze)
        await stage.fresh(sight, ended)
    await stage.settle(fewest=8 * 60)


async def test_redis_hangs_and_history_goes_on(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)
    async with watching(stage.servers.redis.url) as sight:

        async def freeze(fault: Fault) -> None:
            stage.servers.redis.freeze()
            await asyncio.sleep(1)
            settled = stage.ledger().acknowledged
            await asyncio.sleep(fault.lasts)
            assert stage.ledger().acknowledged > settled + 8, "samples are settled meanwhile"
            stage.servers.redis.thaw()

        ended = await stage.strike(stage.plan("freeze", after=Span(1, 3), lasts=Span(2, 8)), freeze)
        await stage.fresh(sight, ended)
    await stage.settle(fewest=8 * 60)


async def test_redis_is_killed_and_emptied(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)
    async with watching(stage.servers.redis.url) as sight:

        async def strike(fault: Fault) -> None:
            if fault.kind == "kill":
                stage.servers.redis.kill()
                await asyncio.sleep(fault.lasts)
                await asyncio.to_thread(stage.servers.redis.start)
            else:
                with Redis.from_url(stage.servers.redis.url) as client:
                    client.flushall()
            await stage.fresh(sight, time.time())

        await stage.strike(stage.plan("kill", "flush", after=Span(1, 3), lasts=Span(0, 2), fewest=2), strike)
        assert len(sight.fleet.machines) == 8
    await stage.settle(fewest=8 * 60)
