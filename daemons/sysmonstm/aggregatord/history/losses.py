"""Writes down what will never be in history: gaps, and frames that were refused; each once, however often sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import AsyncCursor

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.history import events
from sysmonstm.aggregatord.history.events import Event
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.portion import Piece
from sysmonstm.aggregatord.session import RejectedFrame

# So many refused frames are sent at once; the event loop has its turn in between.
_REJECTS_AT_ONCE = 100
_REASONS = {pb.GAP_REASON_SHED: "shed", pb.GAP_REASON_DAMAGED: "damaged"}

# What follows on a gap with no frame between, as while a spool cannot be written, is the same gap grown.
_GROW_GAPS = """
UPDATE gaps SET last_seq = new.last_seq
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::text[]) AS new (stream, first_seq, last_seq, reason)
WHERE gaps.stream = new.stream AND gaps.last_seq = new.first_seq - 1 AND gaps.reason = new.reason
RETURNING new.stream, new.first_seq
"""
# `incoming` still has the frames of this transaction; before them there is the one that the stream's cursor is at.
_GAPS = """
INSERT INTO gaps (machine, stream, first_seq, last_seq, reason, from_time)
SELECT new.machine, new.stream, new.first_seq, new.last_seq, new.reason, coalesce(
    (SELECT time FROM incoming WHERE stream = new.stream AND seq < new.first_seq ORDER BY seq DESC LIMIT 1),
    streams.durable_time)
FROM unnest(%s::integer[], %s::integer[], %s::bigint[], %s::bigint[], %s::text[])
    AS new (machine, stream, first_seq, last_seq, reason)
JOIN streams ON streams.id = new.stream
ORDER BY new.stream, new.first_seq
ON CONFLICT DO NOTHING
"""
_END_GAPS = """
UPDATE gaps SET to_time = after.time
FROM (
    SELECT DISTINCT ON (gap.stream, gap.first_seq) gap.stream, gap.first_seq, incoming.time
    FROM gaps AS gap JOIN incoming ON incoming.stream = gap.stream AND incoming.seq > gap.last_seq
    WHERE gap.stream = ANY(%s) AND gap.to_time IS NULL
    ORDER BY gap.stream, gap.first_seq, incoming.seq) AS after
WHERE (gaps.stream, gaps.first_seq) = (after.stream, after.first_seq)
"""
_OPEN_GAPS = "SELECT DISTINCT stream FROM gaps WHERE stream = ANY(%s) AND to_time IS NULL"
_NEW_REASONS = """
SELECT place FROM unnest(%s::integer[], %s::text[]) WITH ORDINALITY AS new (stream, reason, place)
WHERE NOT EXISTS (SELECT FROM rejects WHERE rejects.stream = new.stream AND rejects.reason = new.reason)
"""
_REJECTS = """
INSERT INTO rejects (machine, stream, seq, reason, time_us, layout, values)
VALUES (%s, %s, %s, %s, %s, %s, %s::real[]) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class LostFrames:
    """A gap, as far as it is news."""

    piece: Piece
    first_seq: int
    last_seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A frame that is refused and was not settled before."""

    piece: Piece
    rejected: RejectedFrame


@dataclass(frozen=True, slots=True)
class Losses:
    """What of some pieces is to be written down."""

    gaps: list[LostFrames]
    rejects: list[RefusedFrame]


def news(pieces: Iterable[Piece], durable_seqs: Mapping[bytes, int]) -> Losses:
    """What is lost beyond what was settled before; `durable_seqs` is how far each stream is, by stream.

    What was sent again after its Ack was lost may have changed meanwhile: a frame that is stored may have been shed
    since, and a gap may have grown. Only what is beyond the cursor counts, and each seq once.
    """
    losses, done = Losses([], []), dict(durable_seqs)
    # Of each stream: where its newest gap is.
    newest: dict[bytes, int] = {}
    for piece in pieces:
        stream = piece.session.stream
        settled = done[stream]
        for gap in piece.gaps:
            if gap.last_seq > settled:
                first = max(gap.first_seq, settled + 1)
                lost = LostFrames(piece, first, gap.last_seq, _REASONS.get(gap.reason, "unknown"))
                newest[stream] = _joined(losses.gaps, newest.get(stream), lost)
        losses.rejects.extend(RefusedFrame(piece, one) for one in piece.rejected if one.frame.seq > settled)
        done[stream] = max(settled, piece.last_seq)
    return losses


def _joined(gaps: list[LostFrames], newest: int | None, lost: LostFrames) -> int:
    """Add a gap, to the newest of its stream where it follows on that; where it is now."""
    if newest is not None:
        before = gaps[newest]
        if before.last_seq + 1 == lost.first_seq and before.reason == lost.reason:
            gaps[newest] = replace(before, last_seq=lost.last_seq)
            return newest
    gaps.append(lost)
    return len(gaps) - 1


async def store(cursor: AsyncCursor, identities: Identities, losses: Losses) -> list[Event]:
    """Write them down; what people are to be told of it. The streams' rows are locked by the caller."""
    return [
        *await _store_gaps(cursor, identities, losses.gaps),
        *await _store_rejects(cursor, identities, losses.rejects),
    ]


async def end_gaps(cursor: AsyncCursor, identities: Identities, streams: Iterable[bytes]) -> None:
    """Give the gaps of these streams the times of the frames that have come after them."""
    numbers = {identities.streams[stream] for stream in streams} - identities.whole
    if numbers:
        wanted = sorted(numbers)
        await cursor.execute(_END_GAPS, (wanted,))
        rows = await (await cursor.execute(_OPEN_GAPS, (wanted,))).fetchall()
        identities.whole |= numbers - {number for (number,) in rows}


async def _store_gaps(cursor: AsyncCursor, identities: Identities, gaps: Sequence[LostFrames]) -> list[Event]:
    if not gaps:
        return []
    streams = [identities.streams[gap.piece.session.stream] for gap in gaps]
    grow = (streams, [gap.first_seq for gap in gaps], [gap.last_seq for gap in gaps], [gap.reason for gap in gaps])
    grown = set(await (await cursor.execute(_GROW_GAPS, grow)).fetchall())
    new = [gap for stream, gap in zip(streams, gaps, strict=True) if (stream, gap.first_seq) not in grown]
    columns = (
        [identities.machines[gap.piece.session.machine] for gap in new],
        [identities.streams[gap.piece.session.stream] for gap in new],
        [gap.first_seq for gap in new],
        [gap.last_seq for gap in new],
        [gap.reason for gap in new],
    )
    await cursor.execute(_GAPS, columns)
    identities.whole -= set(columns[1])
    frames: Counter[tuple[str, str]] = Counter()
    for gap in new:
        frames[gap.piece.session.machine, gap.reason] += gap.last_seq - gap.first_seq + 1
    return [events.lost(machine, reason, count) for (machine, reason), count in frames.items()]


async def _store_rejects(cursor: AsyncCursor, identities: Identities, rejects: Sequence[RefusedFrame]) -> list[Event]:
    if not rejects:
        return []
    frames = Counter((one.piece.session.machine, one.piece.session.stream, one.rejected.reason) for one in rejects)
    kinds = list(frames)
    columns = ([identities.streams[stream] for _, stream, _ in kinds], [reason for *_, reason in kinds])
    new = {place - 1 for (place,) in await (await cursor.execute(_NEW_REASONS, columns)).fetchall()}
    rows = [_reject_row(identities, one) for one in rejects]
    for start in range(0, len(rows), _REJECTS_AT_ONCE):
        await cursor.executemany(_REJECTS, rows[start : start + _REJECTS_AT_ONCE])
    return [events.refused(*kind, frames[kind]) for place, kind in enumerate(kinds) if place in new]


def _reject_row(identities: Identities, one: RefusedFrame) -> tuple[object, ...]:
    session, frame, layout = one.piece.session, one.rejected.frame, one.rejected.layout
    return (
        identities.machines[session.machine],
        identities.streams[session.stream],
        frame.seq,
        one.rejected.reason,
        frame.time_us,
        identities.layouts[layout.id] if layout else None,
        list(frame.values),
    )
