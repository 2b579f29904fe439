"""Samples on their way into the spool: whoever takes samples never waits for the disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.collectord.sampler import Sample
from sysmonstm.collectord.uplink import Uplink
from sysmonstm.wire import events_that_fit

log = logs.logger(__name__)

# Values that may wait in memory for a disk that hangs, at some 30 bytes each: at 100 values every 5 s, for 7 hours.
MOST_VALUES = 500_000
# What an event counts as.
VALUES_PER_EVENT = 20
# Events that may wait for a sample that can carry them.
MOST_EVENTS = 1000


class Intake:
    """Hands samples to an uplink in the order in which they come. Beyond MOST_VALUES they are dropped and counted.

    The events of a sample that is dropped, and those that one frame cannot carry, go with the samples after it.
    """

    def __init__(self, uplink: Uplink, tasks: asyncio.TaskGroup) -> None:
        """`tasks` owns what waits."""
        self._uplink = uplink
        self._tasks = tasks
        self._waiting = 0
        self._events: list[pb.Event] = []
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = 0
        self.dropped_events = 0

    def offer(self, sample: Sample) -> None:
        """Take a sample."""
        self._keep(sample.events)
        if self._waiting and self._waiting + len(sample.values) > MOST_VALUES:
            if not self.dropped:
                log.error("samples.dropped", "the spool's disk hangs and memory is full; counted in agent.dropped")
            self.dropped += 1
            return
        carried = events_that_fit(self._events)
        sample = replace(sample, events=tuple(self._events[:carried]))
        del self._events[:carried]
        self._waiting += _size(sample)
        self._empty.clear()
        self._tasks.create_task(self._spool(sample))

    async def emptied(self) -> None:
        """Wait until everything that was taken is in the spool."""
        await self._empty.wait()

    def _keep(self, events: tuple[pb.Event, ...]) -> None:
        room = MOST_EVENTS - len(self._events)
        self._events += events[:room]
        if too_many := len(events[room:]):
            if not self.dropped_events:
                log.error("events.dropped", "no sample can carry all that happens; the newest events are dropped")
            self.dropped_events += too_many

    async def _spool(self, sample: Sample) -> None:
        await self._uplink.offer(sample.time_us, sample.layout, sample.values, sample.events)
        self._waiting -= _size(sample)
        if not self._waiting:
            self._empty.set()


def _size(sample: Sample) -> int:
    return len(sample.values) + VALUES_PER_EVENT * len(sample.events)
