"""An uplink on a real spool, with synthetic samples instead of probes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.collectord.trust import Trust
from sysmonstm.collectord.uplink import Uplink
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.shared.real_server import PATIENCE_SECONDS, until

HELLO = pb.Hello(machine="web1", interval_seconds=5.0, agent_version="0.1.0", facts={"os": "NixOS"})
LAYOUTS = [Layout((Series(Metric(f"a.b{number}", "count", Kind.GAUGE, "")),)) for number in range(2)]
ROOMY = Limits(most_bytes=10**9, free_bytes=0)
# Microseconds since 1970 of the sample before the first.
EPOCH_US = 1_700_000_000_000_000


class NoWait(random.Random):
    """Every wait before a new try is short."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, 0.05)


class Collector:
    """Offers samples, each with a time of its own; what was issued, and what is acknowledged."""

    def __init__(self, uplink: Uplink, outbox: Outbox) -> None:
        self.uplink = uplink
        self.outbox = outbox
        self.acknowledged: list[tuple[bytes, int]] = []
        self._number = 0
        uplink.on_acknowledged = lambda stream, seq: self.acknowledged.append((stream, seq))

    async def offer(self, count: int = 1, layout: int = 0) -> None:
        for _ in range(count):
            self._number += 1
            await self.uplink.offer(EPOCH_US + self._number, LAYOUTS[layout], [float(self._number)])

    async def drained(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.outbox.acknowledged_all()


@asynccontextmanager
async def outbox_in(directory: Path, limits: Limits = ROOMY) -> AsyncIterator[Outbox]:
    """The spool in a directory, closed in the end."""
    outbox = await Outbox.open(directory, limits)
    try:
        yield outbox
    finally:
        await outbox.close()


@asynccontextmanager
async def uplinked(
    outbox: Outbox, *addresses: str, rng: random.Random | None = None, trust: Trust | None = None
) -> AsyncIterator[Collector]:
    """An Uplink that runs for as long as the block."""
    uplink = Uplink(HELLO, addresses, outbox, rng or NoWait(), trust=trust)
    task = asyncio.create_task(uplink.run())
    try:
        yield Collector(uplink, outbox)
        assert not task.done(), "it stays connected, for ever"
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error


@asynccontextmanager
async def hung_disk(outbox: Outbox) -> AsyncIterator[None]:
    """Every call of the spool's file thread waits until the block has ended."""
    hangs, thawed = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        thawed.wait()

    hanging = asyncio.ensure_future(outbox._thread.call(hang))
    try:
        await until("the disk hangs", hangs.is_set)
        yield
    finally:
        thawed.set()
        await hanging
