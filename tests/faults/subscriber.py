"""A reader of the live state in a process of its own, to be frozen: the plain way, or by bus.follow.

`python -m tests.faults.subscriber plain|follow URL FILE`. Ten times a second it writes to FILE what it has, as JSON:
the number of publishes it was given, or for each machine the stream and seq of its newest frame.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from redis.exceptions import RedisError

from sysmonstm import bus

TELL_SECONDS = 0.1


class Plain:
    """Counts publishes; where it is thrown out it subscribes again."""

    def __init__(self) -> None:
        self.publishes = 0

    def has(self) -> object:
        return self.publishes

    async def run(self, url: str) -> None:
        while True:
            async with bus.connect(url) as redis, redis.pubsub() as subscription:
                try:
                    await subscription.subscribe(bus.LIVE)
                    while True:
                        if await subscription.get_message(ignore_subscribe_messages=True, timeout=1):
                            self.publishes += 1
                except (RedisError, OSError):
                    await asyncio.sleep(0.1)


class Follower:
    """Follows as the product does."""

    def __init__(self) -> None:
        self.fleet = bus.Fleet()

    def has(self) -> object:
        return state_of(self.fleet)

    async def run(self, url: str) -> None:
        async with bus.connect(url) as redis:
            async for _ in bus.follow(redis, self.fleet):
                pass


def state_of(fleet: bus.Fleet) -> dict[str, list[object]]:
    """For each machine the stream and the seq of its newest frame."""
    frames = [machine.frame for machine in fleet.machines.values() if machine.frame]
    return {frame.machine: [frame.stream.hex(), frame.frame.seq] for frame in frames}


async def run(way: str, url: str, path: Path) -> None:
    """Read, and tell, for ever."""
    reader = Plain() if way == "plain" else Follower()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.run(url))
        while True:
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(reader.has()))
            fresh.replace(path)
            await asyncio.sleep(TELL_SECONDS)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
