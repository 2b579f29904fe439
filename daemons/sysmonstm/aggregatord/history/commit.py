"""One transaction: machines, streams and layouts get their names; frames, marks, losses and cursors get written.

The order of what is locked is the same in every transaction of every aggregator, or they would deadlock: machines by
name, streams, metrics, layouts, frames by key, then CURSOR_LOCK and all that follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection, AsyncCursor

from sysmonstm.aggregatord.history import copyformat, events, happened, losses
from sysmonstm.aggregatord.history.events import Event
from sysmonstm.aggregatord.history.faults import VanishedError
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.locks import CLAIM_LOCK, CURSOR_LOCK
from sysmonstm.aggregatord.history.portion import Piece, Portion
from sysmonstm.aggregatord.session import CheckedFrame

# So many rows are packed at once, about a millisecond's work; the event loop has its turn in between.
ROWS_AT_ONCE = 100

# As in `frames`, arrays are not compressed: it costs more than it saves.
_INCOMING = """
CREATE TEMPORARY TABLE incoming (
    time timestamptz, machine integer, stream integer, layout integer, seq bigint, values real[]) ON COMMIT DELETE ROWS;
ALTER TABLE incoming ALTER COLUMN values SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160)
"""
_COPY = "COPY incoming (time, machine, stream, layout, seq, values) FROM STDIN (FORMAT binary)"
_LOCK_CLAIM = "SELECT pg_advisory_xact_lock_shared(%s)"
# A time of -infinity comes as NULL.
_TIERS = """
SELECT (SELECT (extract(epoch FROM claimed) * 1000000)::bigint FROM tiers WHERE name = 'minute' AND isfinite(claimed)),
    (SELECT (extract(epoch FROM kept_from) * 1000000)::bigint FROM tiers WHERE name = 'raw' AND isfinite(kept_from))
"""
# In key order, always: two aggregators that insert in opposite orders deadlock.
_STORE = """
INSERT INTO frames (time, machine, stream, layout, values)
SELECT time, machine, stream, layout, values FROM incoming ORDER BY machine, time, stream
ON CONFLICT DO NOTHING
"""
# Where some belong to minutes that the roll-up has claimed: those that were not there already are marked.
_STORE_AND_MARK = """
WITH stored AS (
    INSERT INTO frames (time, machine, stream, layout, values)
    SELECT time, machine, stream, layout, values FROM incoming
    WHERE time >= (SELECT kept_from FROM tiers WHERE name = 'raw')
    ORDER BY machine, time, stream
    ON CONFLICT DO NOTHING
    RETURNING machine, time)
INSERT INTO dirty_minutes (machine, time)
SELECT DISTINCT machine, date_bin('1 minute', time, '1970-01-01 00:00:00Z') FROM stored
WHERE time < (SELECT claimed FROM tiers WHERE name = 'minute')
"""
# The same, and says which it has stored.
_STORE_AND_SAY = """
WITH stored AS (
    INSERT INTO frames (time, machine, stream, layout, values)
    SELECT time, machine, stream, layout, values FROM incoming
    WHERE time >= (SELECT kept_from FROM tiers WHERE name = 'raw')
    ORDER BY machine, time, stream
    ON CONFLICT DO NOTHING
    RETURNING machine, stream, time),
marked AS (
    INSERT INTO dirty_minutes (machine, time)
    SELECT DISTINCT machine, date_bin('1 minute', time, '1970-01-01 00:00:00Z') FROM stored
    WHERE time < (SELECT claimed FROM tiers WHERE name = 'minute'))
SELECT stream, (extract(epoch FROM time) * 1000000)::bigint FROM stored
"""
# What was settled before may have been counted and dropped since, so that only the cursor knows of it.
_STORE_LATE = """
INSERT INTO late_frames (time, machine, stream, layout, values)
SELECT incoming.time, incoming.machine, incoming.stream, incoming.layout, incoming.values
FROM incoming JOIN streams ON streams.id = incoming.stream
WHERE incoming.time < (SELECT kept_from FROM tiers WHERE name = 'raw') AND incoming.seq > streams.durable_seq
ORDER BY incoming.machine, incoming.time, incoming.stream
ON CONFLICT DO NOTHING
"""
_LOCK_CURSORS = "SELECT pg_advisory_xact_lock(%s)"
# Others may still refer to them (FOR KEY SHARE), which a plain FOR UPDATE would wait for.
_LOCK_STREAMS = "SELECT stream, durable_seq FROM streams WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_CURSORS = """
UPDATE streams SET durable_seq = GREATEST(streams.durable_seq, new.seq),
    durable_time = CASE WHEN new.seq > streams.durable_seq
        THEN timestamptz 'epoch' + new.time_us * interval '1 microsecond' ELSE streams.durable_time END,
    moved = CASE WHEN new.seq > streams.durable_seq THEN clock_timestamp() ELSE streams.moved END
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS new (id, seq, time_us)
WHERE streams.id = new.id
RETURNING streams.id
"""
_STREAM_CURSORS = """
SELECT stream, durable_seq, coalesce((extract(epoch FROM durable_time) * 1000000)::bigint, 0)
FROM streams WHERE stream = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class StreamCursor:
    """How far a stream is in the database; `time_us` is 0 where the time of that frame is not known."""

    stream: bytes
    durable_seq: int
    time_us: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a transaction has brought: names that are known now, events as people are told of them, and cursors."""

    identities: Identities
    new_machines: list[str]
    events: list[dict[str, object]]
    cursors: list[StreamCursor]
    refused_events: int = 0


@dataclass(frozen=True, slots=True)
class _Tiers:
    """Minutes before `claimed_us` are the roll-up's; frames before `kept_from_us` are dropped. None: none are."""

    claimed_us: int | None
    kept_from_us: int | None


@dataclass(frozen=True, slots=True)
class _StoredFrames:
    """Whether some came too late for `frames`, and which were stored where that was asked for."""

    late: bool = False
    inserted: happened.Inserted = ()


async def prepare(connection: AsyncConnection) -> None:
    """Make what the transactions of this connection need."""
    await connection.execute(_INCOMING)


async def commit(connection: AsyncConnection, known: Identities, portion: Portion, asked: Sequence[bytes]) -> Committed:
    """Write a portion. `asked` are the streams whose cursors are wanted, as they are before it.

    Every machine of its pieces is in `known` or in its hellos. A psycopg.Error or VanishedError leaves nothing written.
    """
    async with connection.transaction(), connection.cursor() as cursor:
        identities = known.fork()
        new = await identities.meet(cursor, portion.hellos, portion.skews)
        told = await events.store(cursor, [events.joined(machine) for machine in new])
        # A collector that goes on from an old copy of its spool sends right after its hello what moves the cursor.
        cursors = await _cursors(cursor, asked)
        refused = 0
        if portion.pieces:
            of_pieces = await _store_pieces(cursor, identities, portion.pieces)
            told += of_pieces.told
            refused = of_pieces.refused
    return Committed(identities, new, told, cursors, refused)


async def _store_pieces(cursor: AsyncCursor, identities: Identities, pieces: Sequence[Piece]) -> happened.Stored:
    await identities.ensure_streams(cursor, {one.session.stream: one.session.machine for one in pieces})
    await identities.ensure_layouts(cursor, {layout.id: layout for piece in pieces for layout in piece.layouts})
    frames = await _store_frames(cursor, identities, pieces)
    numbers = sorted({identities.streams[one.session.stream] for one in pieces})
    await cursor.execute(_LOCK_CURSORS, (CURSOR_LOCK,))
    lost: list[Event] = []
    theirs: list[Event] = []
    if frames.late or happened.any_in(pieces) or any(piece.gaps or piece.rejected for piece in pieces):
        durable_seqs: dict[bytes, int] = dict(await (await cursor.execute(_LOCK_STREAMS, (numbers,))).fetchall())
        if len(durable_seqs) != len(numbers):
            raise VanishedError
        if frames.late:
            await cursor.execute(_STORE_LATE)
        lost = await losses.store(cursor, identities, losses.news(pieces, durable_seqs))
        theirs = list(happened.news(identities, pieces, durable_seqs, frames.inserted))
    await losses.end_gaps(cursor, identities, {piece.session.stream for piece in pieces if piece.frames})
    await _move_cursors(cursor, identities, pieces)
    told = await events.store(cursor, lost)
    stored = await happened.store(cursor, theirs)
    return happened.Stored(told + stored.told, stored.refused)


async def _store_frames(cursor: AsyncCursor, identities: Identities, pieces: Sequence[Piece]) -> _StoredFrames:
    """Store what still belongs into `frames`."""
    times = [one.frame.time_us for piece in pieces for one in piece.frames]
    if not times:
        return _StoredFrames()
    async with cursor.copy(_COPY) as copy:
        async for packed in _packed(identities, pieces):
            await copy.write(packed)
    await cursor.execute(_LOCK_CLAIM, (CLAIM_LOCK,))
    # A statement of its own: the one that waits for the lock sees the database as it was before.
    tiers = await _read_tiers(cursor)
    oldest = min(times)
    marks = tiers.claimed_us is not None and oldest < tiers.claimed_us
    late = tiers.kept_from_us is not None and oldest < tiers.kept_from_us
    if await happened.any_resent(cursor, identities, pieces):
        return _StoredFrames(late, set(await (await cursor.execute(_STORE_AND_SAY)).fetchall()))
    await cursor.execute(_STORE_AND_MARK if marks or late else _STORE)
    return _StoredFrames(late)


async def _packed(identities: Identities, pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
    yield copyformat.HEADER
    for piece in pieces:
        machine, stream = identities.machines[piece.session.machine], identities.streams[piece.session.stream]
        for start in range(0, len(piece.frames), ROWS_AT_ONCE):
            frames = piece.frames[start : start + ROWS_AT_ONCE]
            yield b"".join([_row(machine, stream, identities, one) for one in frames])
            await asyncio.sleep(0)
    yield copyformat.TRAILER


def _row(machine: int, stream: int, identities: Identities, one: CheckedFrame) -> bytes:
    frame = one.frame
    return copyformat.frame_row(
        frame.time_us, machine, stream, identities.layouts[one.layout.id], frame.seq, frame.values
    )


async def _read_tiers(cursor: AsyncCursor) -> _Tiers:
    row = await (await cursor.execute(_TIERS)).fetchone()
    assert row is not None
    return _Tiers(*row)


async def _move_cursors(cursor: AsyncCursor, identities: Identities, pieces: Sequence[Piece]) -> None:
    newest: dict[int, Piece] = {}
    for piece in pieces:
        number = identities.streams[piece.session.stream]
        if number not in newest or newest[number].last_seq < piece.last_seq:
            newest[number] = piece
    numbers = sorted(newest)
    seqs = [newest[number].last_seq for number in numbers]
    times = [newest[number].last_time_us or None for number in numbers]
    moved = await (await cursor.execute(_CURSORS, (numbers, seqs, times))).fetchall()
    if len(moved) != len(numbers):
        raise VanishedError


async def _cursors(cursor: AsyncCursor, asked: Collection[bytes]) -> list[StreamCursor]:
    if not asked:
        return []
    rows = await (await cursor.execute(_STREAM_CURSORS, (list(asked),))).fetchall()
    known = {stream: StreamCursor(stream, seq, time_us) for stream, seq, time_us in rows}
    return [known.get(stream) or StreamCursor(stream, 0, 0) for stream in asked]
