"""A HistoryWriter that runs for as long as a block, and what it said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sysmonstm.aggregatord.history.recall import Recalled
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.session import CheckedBatch
from tests.shared.real_server import until

COMMIT_SECONDS = 0.01


class Recorder:
    """Keeps what a HistoryWriter says."""

    def __init__(self) -> None:
        self.settled_batches: list[CheckedBatch] = []
        self.recalled_machines: list[Recalled] = []
        self.events: list[dict[str, object]] = []
        self.asked: list[list[str]] = []
        self.cursors: list[tuple[bytes, int, int]] = []

    async def missing(self, machines: list[str]) -> set[str]:
        self.asked.append(machines)
        return set(machines)

    def recalled(self, machine: Recalled) -> None:
        self.recalled_machines.append(machine)

    def settled(self, batch: CheckedBatch) -> None:
        self.settled_batches.append(batch)

    def cursor(self, stream: bytes, durable_seq: int, time_us: int) -> None:
        self.cursors.append((stream, durable_seq, time_us))

    def event(self, fields: dict[str, object]) -> None:
        self.events.append(fields)

    def is_settled(self, *batches: CheckedBatch) -> bool:
        """Whether all of these are."""
        done = {id(batch) for batch in self.settled_batches}
        return all(id(batch) in done for batch in batches)


@asynccontextmanager
async def writing(url: str, most_bytes: int = 2**30) -> AsyncIterator[tuple[HistoryWriter, Recorder]]:
    writer, recorder = HistoryWriter(url, COMMIT_SECONDS, most_bytes), Recorder()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(recorder))
        try:
            yield writer, recorder
        finally:
            running.cancel()


async def settle(writer: HistoryWriter, recorder: Recorder, *batches: CheckedBatch) -> None:
    for batch in batches:
        writer.offer(batch)
    await until("they are settled", lambda: recorder.is_settled(*batches))
