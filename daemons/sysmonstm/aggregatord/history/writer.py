"""Writes frames to PostgreSQL, many in one commit, and says of each batch when it is committed.

The database may be slow, away or hung: nothing but this writer ever waits for it. Batches stay here, in order, until
the commit that holds them has succeeded; a commit whose end is unknown is done again, and the frames that it had
written already are met by ON CONFLICT DO NOTHING.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus, logs
from sysmonstm.aggregatord.history import copyformat
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.recall import Recalled, machine_names, recall
from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.config import UserError

log = logs.logger(__name__)

MAX_ROWS_PER_COMMIT = 5000
CONNECT_SECONDS = 5
RETRY_SECONDS = 1.0
# A commit that takes longer is given up and done again on a new connection.
COMMIT_SECONDS = 30.0
# One that takes longer than this makes collectors keep their frames.
SLOW_SECONDS = 5.0

_INCOMING = """
CREATE TEMPORARY TABLE incoming (time timestamptz, machine integer, stream integer, layout integer, values real[])
ON COMMIT DELETE ROWS
"""
_COPY = "COPY incoming (time, machine, stream, layout, values) FROM STDIN (FORMAT binary)"
# What a server that dies, restarts, is full, is a standby now or is damaged says: all of it may pass.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)

# In key order, always: two aggregators that insert in opposite orders deadlock.
_INSERT = """
INSERT INTO frames (time, machine, stream, layout, values)
SELECT time, machine, stream, layout, values FROM incoming ORDER BY machine, time, stream
ON CONFLICT DO NOTHING
"""
# One aggregator at a time moves cursors: two that met the same streams in opposite orders would deadlock. Locking the
# rows in order beforehand costs as much again as moving them; this is held only until the commit that follows at once.
_CURSOR_LOCK = 0x63757273  # any number: "curs" in ASCII
_LOCK_CURSORS = "SELECT pg_advisory_xact_lock(%s)"
_CURSORS = """
UPDATE streams SET durable_seq = new.seq FROM unnest(%s::integer[], %s::bigint[]) AS new (id, seq)
WHERE streams.id = new.id AND streams.durable_seq < new.seq
"""
_EVENT = """
INSERT INTO events (kind, severity, machine, message) VALUES ('machine.new', 'info', %s, %s)
RETURNING id, extract(epoch FROM time)::float8
"""


class Reader(Protocol):
    """Who is told what the database says."""

    async def missing(self, machines: list[str]) -> set[str]:
        """Those of `machines` whose state nobody has."""
        ...

    def recalled(self, machine: Recalled) -> None:
        """A machine as it last was."""
        ...

    def settled(self, batch: CheckedBatch) -> None:
        """A batch is committed."""
        ...

    def event(self, fields: dict[str, object]) -> None:
        """An event is stored; `fields` as /api/events shows it."""
        ...


class HistoryWriter:
    """The one writer of this aggregator to PostgreSQL."""

    def __init__(self, url: str, commit_interval: float, most_frames: int) -> None:
        self._url = url
        self._commit_interval = commit_interval
        self._most_frames = most_frames
        self._batches: deque[CheckedBatch] = deque()
        self._hellos: dict[str, pb.Hello] = {}
        self._wake = asyncio.Event()
        self._identities = Identities()
        self._busy_since: float | None = None
        self._up: bool | None = None
        self._recall_due = True
        self.pending_frames = 0
        self.committed_frames = 0

    def hello(self, hello: pb.Hello) -> None:
        """A machine has introduced itself; the newest hello is written."""
        self._hellos[hello.machine] = hello
        self._wake.set()

    def offer(self, batch: CheckedBatch) -> None:
        """Write a batch as soon as may be."""
        self._batches.append(batch)
        self.pending_frames += len(batch.frames)
        self._wake.set()

    def recall_fleet(self) -> None:
        """Tell the reader again of machines whose state nobody has, as it is told at the start."""
        self._recall_due = True
        self._wake.set()

    def takes_more(self, now: float) -> bool:
        """Whether collectors should send more at time `now` (monotonic seconds): the database is up and keeps up."""
        slow = self._busy_since is not None and now - self._busy_since > SLOW_SECONDS
        return bool(self._up) and not slow and self.pending_frames < self._most_frames

    async def run(self, reader: Reader) -> None:
        """Connect, bring the schema up to date, and commit for ever."""
        while True:
            bus.heed_cancellation()
            try:
                async with await self._connect() as connection:
                    await self._serve(connection, reader)
            except _AWAY as error:
                self._is_away(str(error))
            except TimeoutError:
                self._is_away(f"a commit took longer than {COMMIT_SECONDS:.0f} s")
            self._busy_since = None
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> AsyncConnection:
        try:
            return await AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name="sysmon-aggregatord",
                # A server whose machine is gone says nothing at all.
                tcp_user_timeout=int(COMMIT_SECONDS * 1000),
            )
        except psycopg.ProgrammingError:
            # What it says may quote the password.
            raise UserError(
                "TIMESCALE_URL is no address of a PostgreSQL; one looks like postgresql://user@host:5432/monitor"
            ) from None

    def _is_away(self, reason: str) -> None:
        if self._up is not False:
            log.warning("database.away", "the database does not answer; collectors keep their frames", reason=reason)
        self._up = False

    async def _serve(self, connection: AsyncConnection, reader: Reader) -> None:
        await migrate(connection)
        await connection.execute(_INCOMING)
        self._recall_due = True
        # Identities may be of another database, where a server was replaced by an empty one.
        self._identities = Identities()
        if self._up is not True:
            log.info("database.up", "the database takes frames", version=connection.info.server_version)
        self._up = True
        # What the last connection did not commit.
        self._wake.set()
        while True:
            if self._recall_due:
                await self._recall(connection, reader)
                # The reader has asked Redis.
                bus.heed_cancellation()
            await self._wake.wait()
            if self.pending_frames < MAX_ROWS_PER_COMMIT:
                await asyncio.sleep(self._commit_interval)
            self._wake.clear()
            while self._batches or self._hellos:
                self._busy_since = time.monotonic()
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._commit(connection, reader)
                self._busy_since = None

    async def _recall(self, connection: AsyncConnection, reader: Reader) -> None:
        self._recall_due = False
        missing = await reader.missing(await machine_names(connection))
        for machine in await recall(connection, missing):
            reader.recalled(machine)

    async def _commit(self, connection: AsyncConnection, reader: Reader) -> None:
        batches, hellos = self._next_batches(), dict(self._hellos)
        async with connection.transaction(), connection.cursor() as cursor:
            identities = self._identities.fork()
            new = await identities.meet(cursor, (_unmet(identities, batches) | hellos).values())
            events = [await _store_event(cursor, machine) for machine in new]
            await _store_batches(cursor, identities, batches)
        self._identities = identities
        for name, hello in hellos.items():
            if self._hellos.get(name) is hello:
                del self._hellos[name]
        for batch in batches:
            self._batches.popleft()
            self.pending_frames -= len(batch.frames)
            self.committed_frames += len(batch.frames)
            reader.settled(batch)
        for event in events:
            reader.event(event)

    def _next_batches(self) -> list[CheckedBatch]:
        """The oldest batches, of about MAX_ROWS_PER_COMMIT frames in all; they stay in the queue."""
        chosen, rows = [], 0
        for batch in self._batches:
            chosen.append(batch)
            rows += len(batch.frames)
            if rows >= MAX_ROWS_PER_COMMIT:
                break
        return chosen


def _unmet(identities: Identities, batches: list[CheckedBatch]) -> dict[str, pb.Hello]:
    """The hellos of machines that this database has not heard of by this connection."""
    sessions = [batch.session for batch in batches]
    return {session.machine: session.hello for session in sessions if session.machine not in identities.machines}


async def _store_event(cursor: AsyncCursor, machine: str) -> dict[str, object]:
    message = f"{machine} has joined the fleet"
    row = await (await cursor.execute(_EVENT, (machine, message))).fetchone()
    assert row is not None
    return {
        "id": row[0],
        "time": row[1],
        "kind": "machine.new",
        "severity": "info",
        "machine": machine,
        "message": message,
        "fields": {},
    }


async def _store_batches(cursor: AsyncCursor, identities: Identities, batches: list[CheckedBatch]) -> None:
    await identities.ensure_streams(cursor, {batch.session.stream: batch.session.machine for batch in batches})
    frames = [(batch.session, checked) for batch in batches for checked in batch.frames]
    await identities.ensure_layouts(cursor, {checked.layout.id: checked.layout for _, checked in frames})
    if frames:
        async with cursor.copy(_COPY) as copy:
            await copy.write(
                b"".join(
                    [
                        copyformat.HEADER,
                        *(
                            copyformat.frame_row(
                                checked.frame.time_us,
                                identities.machines[session.machine],
                                identities.streams[session.stream],
                                identities.layouts[checked.layout.id],
                                checked.frame.values,
                            )
                            for session, checked in frames
                        ),
                        copyformat.TRAILER,
                    ]
                )
            )
        await cursor.execute(_INSERT)
    last: dict[int, int] = {}
    for batch in batches:
        number = identities.streams[batch.session.stream]
        last[number] = max(last.get(number, 0), batch.last_seq)
    if last:
        numbers = sorted(last)
        await cursor.execute(_LOCK_CURSORS, (_CURSOR_LOCK,))
        await cursor.execute(_CURSORS, (numbers, [last[number] for number in numbers]))
