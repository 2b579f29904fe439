"""Finds out that two hosts send under one name: both of their streams keep moving.

A collector that begins a new stream leaves the old one behind; two hosts do not. They may be connected to different
aggregators, so that only the database sees both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import AsyncConnection, AsyncCursor

from sysmonstm.aggregatord.history import events
from sysmonstm.aggregatord.history.locks import CURSOR_LOCK

# Both streams have moved so long after the other was first seen.
OVERLAP_SECONDS = 30.0
# Both have moved within this, or within three of the machine's intervals where that is longer.
RECENT_SECONDS = 60.0
# While there is something to look for, it is looked for so often.
LOOK_SECONDS = 10.0
# A machine is looked at for so long after it was seen with another stream, or for so many intervals.
WATCH_SECONDS = 180.0
WATCH_INTERVALS = 6

_PAIRS = """
SELECT m.name, a.id, a.stream, b.id, b.stream
FROM machines m
CROSS JOIN LATERAL (
    SELECT now() - interval '1 second' * GREATEST(%(recent)s::float8, 3 * m.interval_seconds) AS start) AS recent
JOIN streams a ON a.machine = m.id AND a.moved > recent.start
JOIN streams b ON b.machine = m.id AND b.moved > recent.start AND b.id > a.id
WHERE m.name = ANY(%(machines)s) AND NOT (a.doubled AND b.doubled)
    AND a.moved > b.first_seen + %(overlap)s AND b.moved > a.first_seen + %(overlap)s
ORDER BY m.name, a.id, b.id
"""
_FLAG = "UPDATE streams SET doubled = true WHERE id = ANY(%s)"


@dataclass(slots=True)
class _Watched:
    stream: bytes
    until: float


class Suspects:
    """Which machines to look at: those that were seen with another stream of late. Times in monotonic seconds."""

    def __init__(self, look_seconds: float) -> None:
        self._look_seconds = look_seconds
        self._machines: dict[str, _Watched] = {}
        self._looked = float("-inf")

    def hello(self, machine: str, stream: bytes, interval_seconds: float, now: float) -> None:
        """A machine introduces itself: whoever has sent under its name until now may go on."""
        self._watch(machine, stream, interval_seconds, now)

    def seen(self, machine: str, stream: bytes, interval_seconds: float, now: float) -> None:
        """Frames of a stream have come."""
        known = self._machines.get(machine)
        if known is None or known.stream != stream:
            self._watch(machine, stream, interval_seconds, now)

    def _watch(self, machine: str, stream: bytes, interval_seconds: float, now: float) -> None:
        self._machines[machine] = _Watched(stream, now + max(WATCH_SECONDS, WATCH_INTERVALS * interval_seconds))

    def due(self, now: float) -> list[str]:
        """Those to look at now; none if that was done a moment ago."""
        if now - self._looked < self._look_seconds:
            return []
        self._looked = now
        return [machine for machine, watched in self._machines.items() if now < watched.until]


@dataclass(frozen=True, slots=True)
class _Doubled:
    """A machine, and those of its streams that move beside each other."""

    machine: str
    streams: dict[int, bytes]


async def find_doubled(
    connection: AsyncConnection, machines: list[str], overlap_seconds: float
) -> list[dict[str, object]]:
    """Flag the streams of those that are doubled and have not been flagged; the events, one for each machine."""
    async with connection.cursor() as cursor:
        # Mostly there are none, and no lock is needed to see that.
        if not await _pairs(cursor, machines, overlap_seconds):
            return []
        async with connection.transaction():
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (CURSOR_LOCK,))
            found = await _pairs(cursor, machines, overlap_seconds)
            await cursor.execute(_FLAG, (sorted(number for one in found for number in one.streams),))
            return await events.store(cursor, [events.doubled(one.machine, one.streams.values()) for one in found])


async def _pairs(cursor: AsyncCursor, machines: list[str], overlap_seconds: float) -> list[_Doubled]:
    arguments = {
        "machines": machines,
        "overlap": timedelta(seconds=overlap_seconds),
        "recent": RECENT_SECONDS,
    }
    found: dict[str, _Doubled] = {}
    for name, number, stream, other, other_stream in await (await cursor.execute(_PAIRS, arguments)).fetchall():
        one = found.setdefault(name, _Doubled(name, {}))
        one.streams.update({number: stream, other: other_stream})
    return list(found.values())
