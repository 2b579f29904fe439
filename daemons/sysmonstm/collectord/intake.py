"""Samples on their way into the spool: whoever takes samples never waits for the disk."""

from __future__ import annotations

import asyncio

from sysmonstm import logs
from sysmonstm.collectord.sampler import Sample
from sysmonstm.collectord.uplink import Uplink

log = logs.logger(__name__)

# Values that may wait in memory for a disk that hangs, at some 30 bytes each: at 100 values every 5 s, for 7 hours.
MOST_VALUES = 500_000


class Intake:
    """Hands samples to an uplink in the order in which they come. Beyond MOST_VALUES they are dropped and counted."""

    def __init__(self, uplink: Uplink, tasks: asyncio.TaskGroup) -> None:
        """`tasks` owns what waits."""
        self._uplink = uplink
        self._tasks = tasks
        self._waiting = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = 0

    def offer(self, sample: Sample) -> None:
        """Take a sample."""
        if self._waiting and self._waiting + len(sample.values) > MOST_VALUES:
            if not self.dropped:
                log.error("samples.dropped", "the spool's disk hangs and memory is full; counted in agent.dropped")
            self.dropped += 1
            return
        self._waiting += len(sample.values)
        self._empty.clear()
        self._tasks.create_task(self._spool(sample))

    async def emptied(self) -> None:
        """Wait until everything that was taken is in the spool."""
        await self._empty.wait()

    async def _spool(self, sample: Sample) -> None:
        await self._uplink.offer(sample.time_us, sample.layout, sample.values)
        self._waiting -= len(sample.values)
        if not self._waiting:
            self._empty.set()
