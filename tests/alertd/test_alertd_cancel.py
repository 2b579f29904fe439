"""Whoever waits for Redis ends when it is cancelled, at whatever moment that comes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from redis.asyncio import Redis

from sysmonstm import bus
from sysmonstm.alertd.live import Publisher

MOMENTS = range(60)
EVENT: dict[str, object] = {"id": 1, "kind": "alert.firing"}


async def ends(loop: Coroutine[object, object, None], moment: int) -> bool:
    """Whether a task ends that is cancelled after so many rounds of the event loop."""
    task = asyncio.ensure_future(loop)
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=2)
    task.cancel()
    return task in done and task.cancelled()


async def test_following_the_bus_ends_when_it_is_cancelled(redis_url: str) -> None:
    async def follow(client: Redis) -> None:
        async for _ in bus.follow(client, bus.Fleet()):
            pass

    for moment in MOMENTS:
        async with bus.connect(redis_url) as client:
            assert await ends(follow(client), moment), f"cancelled after {moment} rounds and still running"


async def test_publishing_ends_when_it_is_cancelled(redis_url: str) -> None:
    async def publish(client: Redis) -> None:
        publisher = Publisher(client)
        while True:
            await publisher.publish([EVENT])

    for moment in MOMENTS:
        async with bus.connect(redis_url) as client:
            assert await ends(publish(client), moment), f"cancelled after {moment} rounds and still running"
