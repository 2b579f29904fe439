"""Writes to PostgreSQL what collectors send, many batches in one commit, and says of each when it is committed.

The database may be slow, away or hung: nothing but this writer ever waits for it. Batches stay here, in order, until
the commit that holds them has succeeded; a commit whose end is unknown is done again, and what it had written already
is met by the frames' keys and the streams' cursors.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import AsyncConnection

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus, logs
from sysmonstm.aggregatord.history import commit, doubled, faults
from sysmonstm.aggregatord.history.breaker import Breaker, State
from sysmonstm.aggregatord.history.connection import (
    CONNECTING_SECONDS,
    LETTING_GO_SECONDS,
    Edition,
    answered,
    connected,
    edition_of,
)
from sysmonstm.aggregatord.history.pending import MAX_ROWS_PER_COMMIT, Pending
from sysmonstm.aggregatord.history.recall import Recalled, machine_names, recall
from sysmonstm.aggregatord.history.salvage import Salvage
from sysmonstm.aggregatord.history.transactions import Transactions
from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.beats import UNWATCHED, Loop

log = logs.logger(__name__)

T = TypeVar("T")

# A commit that takes longer is given up and done again on a new connection.
COMMIT_SECONDS = 30.0
# One that takes longer than this makes collectors keep their frames.
SLOW_SECONDS = 5.0
# A migration may have much to do.
MIGRATE_SECONDS = 3600.0
# How long it waits for news before it says that it still does, and how late it may wake up.
NEWS_SECONDS = 1.0
WAKING_SECONDS = 4.0
# So many machines are read back, and batches settled, at once; the event loop has its turn in between.
_RECALLED_AT_ONCE = 50
_SETTLED_AT_ONCE = 200


class Reader(Protocol):
    """Who is told what the database says."""

    async def missing(self, machines: list[str]) -> set[str]:
        """Those of `machines` whose state nobody has."""
        ...

    def recalled(self, machine: Recalled) -> None:
        """A machine as it last was."""
        ...

    def settled(self, batch: CheckedBatch) -> None:
        """A batch is committed; what the database refused of it has moved from its frames to its rejected."""
        ...

    def cursor(self, stream: bytes, durable_seq: int, time_us: int) -> None:
        """A hello is written, and this is how far the database was with its stream; `time_us` 0 if it is not known.

        Said before anything is settled that came after the hello.
        """
        ...

    def event(self, fields: dict[str, object]) -> None:
        """An event is stored; `fields` as /api/events shows it."""
        ...


class HistoryWriter:
    """The one writer of this aggregator to PostgreSQL."""

    def __init__(self, url: str, commit_interval: float, most_bytes: int, loop: Loop = UNWATCHED) -> None:
        """`most_bytes`: of batches that wait; beyond, it takes no more. `loop` is told how `run` goes."""
        self._url = url
        # Seconds; both may change while it runs.
        self.commit_interval = commit_interval
        self.most_bytes = most_bytes
        self._loop = loop
        self._pending = Pending()
        self._salvage = Salvage()
        self._suspects = doubled.Suspects(doubled.LOOK_SECONDS)
        self._breaker = Breaker()
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self._wake = asyncio.Event()
        self._busy_since: float | None = None
        self._waiting_since: float | None = None
        self._recall_due = True
        self.committed_frames = 0
        self.stored_events = 0
        # Of machines; the database took their frames.
        self.refused_events = 0
        # Which server it is, or was when it was last up.
        self.edition: Edition | None = None

    @property
    def pending_frames(self) -> int:
        """Frames that wait for their commit."""
        return self._pending.frames

    @property
    def away(self) -> bool:
        """Whether the database does not serve."""
        return self._breaker.state is not State.CLOSED

    def lag(self, now: float) -> float:
        """For about how long the oldest of what waits has waited at `now` (monotonic), in seconds."""
        return now - self._waiting_since if self._waiting_since is not None else 0.0

    @property
    def pending_bytes(self) -> int:
        """Bytes of the batches that wait for their commit, as they were sent."""
        return self._pending.bytes

    @property
    def refused_frames(self) -> int:
        """Frames that the database refused."""
        return self._salvage.refused_frames

    def hello(self, hello: pb.Hello) -> None:
        """A machine has introduced itself; the newest hello of each stream is written."""
        self._pending.hello(hello)
        self._suspects.hello(hello.machine, hello.stream, hello.interval_seconds, time.monotonic())
        self._wake.set()

    def skew(self, machine: str, seconds: float) -> None:
        """By how much a machine's clock is ahead of this one's; written with the next commit if it has changed."""
        self._pending.skew(machine, seconds)

    def offer(self, batch: CheckedBatch) -> None:
        """Write a batch as soon as may be."""
        self._pending.offer(batch)
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        self._wake.set()

    def recall_fleet(self) -> None:
        """Tell the reader again of machines whose state nobody has, as it is told at the start."""
        self._recall_due = True
        self._wake.set()

    def takes_more(self, now: float) -> bool:
        """Whether collectors should send more at time `now` (monotonic seconds): the database is up and keeps up."""
        slow = self._busy_since is not None and now - self._busy_since > SLOW_SECONDS
        full = self._pending.bytes >= self.most_bytes
        return self._breaker.state is State.CLOSED and not slow and not full

    async def run(self, reader: Reader) -> None:
        """Connect, bring the schema up to date, and commit for ever."""
        while True:
            bus.heed_cancellation()
            await self._pause(self._breaker.wait_seconds(time.monotonic()))
            self._breaker = self._breaker.trying()
            try:
                async with AsyncExitStack() as opened:
                    with self._loop.waits(CONNECTING_SECONDS + LETTING_GO_SECONDS):
                        connection = await opened.enter_async_context(connected(self._url))
                    await self._serve(connection, reader)
            except psycopg.Error as error:
                if faults.verdict(error) is faults.Verdict.BUG:
                    raise
                self._is_away(faults.reason(error))
            except TimeoutError as error:
                self._is_away(str(error))
            self._busy_since = None

    def _is_away(self, reason: str) -> None:
        if self._breaker.failures == 0:
            log.warning("database.away", "the database does not serve; collectors keep their frames", reason=reason)
        self._breaker = self._breaker.failed(time.monotonic(), self._rng)

    def _is_up(self) -> None:
        if self._breaker.state is not State.CLOSED:
            log.info("database.up", f"the database takes frames: {self.edition}", edition=str(self.edition))
            self._breaker = self._breaker.worked()

    async def _pause(self, seconds: float) -> None:
        with self._loop.waits(seconds + WAKING_SECONDS):
            await asyncio.sleep(seconds)

    async def _serve(self, connection: AsyncConnection, reader: Reader) -> None:
        await self._ask(connection, migrate(connection), MIGRATE_SECONDS)
        await self._ask(connection, commit.prepare(connection))
        self.edition = await self._ask(connection, edition_of(connection))
        # What was known may be of another database, where a server was replaced by an empty one.
        transactions = Transactions(connection, COMMIT_SECONDS, self._rng, self._loop)
        self._pending.forget_stored()
        self._recall_due = True
        if self._pending:
            # What the last connection did not commit: only when some of it is written is the database known to work.
            await self._write(transactions, reader)
            self._wake.set()
        self._is_up()
        while True:
            if self._recall_due:
                await self._recall(connection, reader)
                # The reader has asked Redis.
                bus.heed_cancellation()
            await self._news()
            if self._pending and self._pending.frames < MAX_ROWS_PER_COMMIT:
                await self._pause(self.commit_interval)
            while self._pending:
                await self._write(transactions, reader)
            await self._look_for_doubled(connection, reader)

    async def _news(self) -> None:
        """Wait until there is something to do, and for no more than a moment."""
        self._loop.beat()
        try:
            async with asyncio.timeout(NEWS_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            # It is quiet; the next round beats again.
            return
        self._wake.clear()

    async def _write(self, transactions: Transactions, reader: Reader) -> None:
        """Commit the oldest of what waits."""
        self._busy_since = began = time.monotonic()
        taken = self._pending.take()
        async for committed in self._salvage.commit(transactions, taken.portion, list(taken.hellos)):
            self._pending.forget_stored(committed.new_machines)
            # Before any Ack, by which the collector forgets the frame that it is to compare.
            self._pending.answered(taken)
            for one in committed.cursors:
                reader.cursor(one.stream, one.durable_seq, one.time_us)
            self.stored_events += len(committed.events)
            self.refused_events += committed.refused_events
            for event in committed.events:
                reader.event(event)
        for number, batch in enumerate(self._pending.done(taken), start=1):
            self._settled(batch, reader)
            if number % _SETTLED_AT_ONCE == 0:
                await asyncio.sleep(0)
        # What is left came after the oldest was taken out.
        self._waiting_since = began if self._pending else None
        self._busy_since = None

    def _settled(self, batch: CheckedBatch, reader: Reader) -> None:
        session = batch.session
        self.committed_frames += len(batch.frames)
        self._suspects.seen(session.machine, session.stream, session.hello.interval_seconds, time.monotonic())
        reader.settled(batch)

    async def _recall(self, connection: AsyncConnection, reader: Reader) -> None:
        self._recall_due = False
        names = await self._ask(connection, machine_names(connection))
        with self._loop.waits(2 * bus.REDIS_TIMEOUT_SECONDS + WAKING_SECONDS):
            missing = sorted(await reader.missing(names))
        for start in range(0, len(missing), _RECALLED_AT_ONCE):
            some = missing[start : start + _RECALLED_AT_ONCE]
            for machine in await self._ask(connection, recall(connection, some)):
                reader.recalled(machine)

    async def _look_for_doubled(self, connection: AsyncConnection, reader: Reader) -> None:
        if machines := self._suspects.due(time.monotonic()):
            look = doubled.find_doubled(connection, machines, doubled.OVERLAP_SECONDS)
            for event in await self._ask(connection, look):
                reader.event(event)

    async def _ask(
        self, connection: AsyncConnection, work: Coroutine[Any, Any, T], seconds: float = COMMIT_SECONDS
    ) -> T:
        self._busy_since = time.monotonic()
        with self._loop.waits(seconds + LETTING_GO_SECONDS):
            answer = await answered(connection, seconds, work)
        self._busy_since = None
        return answer
