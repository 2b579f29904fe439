"""What a reader of the live state sees, and when: by the product's own way of following Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from sysmon.v1 import bus_pb2
from sysmonstm import bus
from tests.shared.real_server import until


class Sight:
    """The fleet as it is followed, and when the newest sample of each machine was first seen."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self.fleet = bus.Fleet()
        # By machine: (time of its newest sample, when that came into sight), in seconds since 1970.
        self.seen: dict[str, tuple[float, float]] = {}

    async def follow(self) -> None:
        async with bus.connect(self._redis_url) as redis:
            async for update in bus.follow(redis, self.fleet):
                if isinstance(update, bus.Changes):
                    self._see(update.frames)
                elif isinstance(update, bus.Snapshot):
                    self._see(one.frame for one in self.fleet.machines.values() if one.frame)

    def _see(self, frames: Iterable[bus_pb2.LiveFrame]) -> None:
        now = time.time()
        for frame in frames:
            taken = frame.frame.time_us / 1e6
            if taken != self.seen.get(frame.machine, (0.0, 0.0))[0]:
                self.seen[frame.machine] = (taken, now)

    async def fresh(self, machines: Iterable[str], since: float, how_many: int) -> list[float]:
        """How many seconds after `since` a sample taken later was seen, of the first `how_many` of these machines."""
        waited: dict[str, float] = {}
        names = list(machines)

        def enough() -> bool:
            for name in names:
                taken, at = self.seen.get(name, (0.0, 0.0))
                if taken > since:
                    waited.setdefault(name, at - since)
            return len(waited) >= how_many

        await until(f"samples of {how_many} of {len(names)} machines are fresh", enough)
        return sorted(waited.values())


@asynccontextmanager
async def watching(redis_url: str) -> AsyncIterator[Sight]:
    """Follow for as long as the block."""
    sight = Sight(redis_url)
    task = asyncio.create_task(sight.follow())
    try:
        yield sight
        assert not task.done(), "it follows for ever"
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error
