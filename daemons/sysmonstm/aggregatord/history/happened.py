"""Stores what machines tell of, each event once: with the frame that carried it, in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncCursor

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.aggregatord.history import events, faults
from sysmonstm.aggregatord.history.events import Event
from sysmonstm.aggregatord.history.faults import Verdict
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.portion import Piece

log = logs.logger(__name__)

_SEVERITIES = {
    pb.SEVERITY_UNSPECIFIED: "info",
    pb.SEVERITY_INFO: "info",
    pb.SEVERITY_WARNING: "warning",
    pb.SEVERITY_CRITICAL: "critical",
}
# So many are sent at once; the event loop has its turn in between.
_EVENTS_AT_ONCE = 500
_ANY_RESENT = """
SELECT EXISTS (
    SELECT FROM unnest(%s::integer[], %s::bigint[]) AS told (stream, seq) JOIN streams ON streams.id = told.stream
    WHERE told.seq <= streams.durable_seq)
"""

Inserted = Collection[tuple[int, int]]
"""Frames that a transaction has inserted: the number of the stream, and the time in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Events as /api/events shows them, and how many the database refused."""

    told: list[dict[str, object]]
    refused: int = 0


def any_in(pieces: Sequence[Piece]) -> bool:
    """Whether one of the pieces has something to tell."""
    return any(piece.origin.dropped_events or next(_telling(piece), None) for piece in pieces)


async def any_resent(cursor: AsyncCursor, identities: Identities, pieces: Sequence[Piece]) -> bool:
    """Whether a frame that tells of something has a seq that is settled already."""
    told = [(identities.streams[one.session.stream], frame.seq) for one in pieces for frame in _telling(one)]
    if not told:
        return False
    columns = [list(column) for column in zip(*told, strict=True)]
    row = await (await cursor.execute(_ANY_RESENT, columns)).fetchone()
    assert row is not None
    return bool(row[0])


def news(
    identities: Identities, pieces: Sequence[Piece], durable_seqs: Mapping[bytes, int], inserted: Inserted
) -> Iterator[Event]:
    """What the frames tell of beyond what was stored before, in order.

    `durable_seqs` is how far each stream is. What is not beyond it is not news, but for one case: a collector that
    goes on from an old copy of its spool gives out seqs again. Its frames are `inserted` all the same, and so what they
    tell of is news.
    """
    done, untold = dict(durable_seqs), set(inserted)
    for piece in pieces:
        machine, stream = piece.session.machine, piece.session.stream
        # Of a batch in two pieces, the later one tells.
        ends = piece.last_seq == piece.origin.last_seq
        if piece.origin.dropped_events and ends and piece.last_seq > done[stream]:
            yield events.dropped(machine, piece.origin.dropped_events)
        for frame in _telling(piece):
            place = (identities.streams[stream], frame.time_us)
            if frame.seq > done[stream] or place in untold:
                # The same frame may come on two connections.
                untold.discard(place)
                yield from (_told(machine, event) for event in frame.events)
        done[stream] = max(done[stream], piece.last_seq)


def _telling(piece: Piece) -> Iterator[pb.Frame]:
    """Those of its frames that tell of something, in order of seq."""
    frames = (one.frame for one in piece.frames if one.frame.events)
    rejected = [one.frame for one in piece.rejected if one.keeps_events]
    yield from sorted([*frames, *rejected], key=lambda frame: frame.seq) if rejected else frames


def _told(machine: str, event: pb.Event) -> Event:
    severity = _SEVERITIES[event.severity]
    return Event(event.kind, severity, machine, event.message, dict(event.fields), event.time_us)


async def store(cursor: AsyncCursor, happened: Sequence[Event]) -> Stored:
    """Store them in the cursor's transaction; what the database refuses costs neither the others nor the frames."""
    told: list[dict[str, object]] = []
    refused: Counter[tuple[str, str]] = Counter()
    for start in range(0, len(happened), _EVENTS_AT_ONCE):
        some = happened[start : start + _EVENTS_AT_ONCE]
        stored = await _try(cursor, some)
        if not isinstance(stored, str):
            told += stored
            continue
        for one in some:
            alone = await _try(cursor, [one])
            if isinstance(alone, str):
                refused[one.machine, alone] += 1
            else:
                told += alone
    for (machine, reason), count in refused.items():
        log.warning("events.refused", "the database refuses events of a machine", machine=machine, reason=reason)
        told += await events.store(cursor, [events.not_taken(machine, reason, count)])
    return Stored(told, refused.total())


async def _try(cursor: AsyncCursor, some: Sequence[Event]) -> list[dict[str, object]] | str:
    """Those events, stored; or why the database refuses one of them, and none is."""
    try:
        async with cursor.connection.transaction():
            return await events.store(cursor, some)
    except psycopg.Error as error:
        if faults.verdict(error) is not Verdict.REFUSED:
            raise
        return faults.reason(error)
