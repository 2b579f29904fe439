"""What the database has, read as it is: no view, no function and no code of the product between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg.rows import class_row

from tests.faults.payload import EVENT_KIND

T = TypeVar("T")

# Microseconds since 1970 without going through a float.
_US = "(extract(epoch FROM {0}) * 1000000)::bigint"


@dataclass(frozen=True, slots=True)
class Row:
    """A frame."""

    machine: str
    stream: bytes
    time_us: int
    layout: bytes
    values: list[float]


@dataclass(frozen=True, slots=True)
class StoredGap:
    """Frames that are lost for good."""

    machine: str
    stream: bytes
    first_seq: int
    last_seq: int
    reason: str

    @property
    def frames(self) -> int:
        return self.last_seq - self.first_seq + 1


@dataclass(frozen=True, slots=True)
class Reject:
    """A frame in quarantine."""

    machine: str
    stream: bytes
    seq: int
    time_us: int
    layout: bytes | None
    values: list[float]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """What a synthetic machine told of."""

    machine: str
    time_us: int
    severity: str
    message: str
    origin: int
    number: int
    place: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """A row of a roll-up."""

    machine: str
    stream: bytes
    time_us: int
    layout: bytes
    samples: int
    low: list[float]
    mean: list[float]
    high: list[float]
    counts: list[int] | None


@dataclass(frozen=True, slots=True)
class Tier:
    """How far a tier has come, in microseconds since 1970; -1 for before everything."""

    done_us: int
    kept_from_us: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything, as of one instant."""

    frames: list[Row]
    gaps: list[StoredGap]
    rejects: list[Reject]
    # In the order in which they were stored.
    events: list[StoredEvent]
    durable: dict[bytes, int]
    minutes: list[Bucket]
    hours: list[Bucket]
    tiers: dict[str, Tier]
    # Frames and marks that the roll-up has yet to look at.
    undone: int


_FRAMES = f"""
SELECT m.name AS machine, s.stream, {_US.format("f.time")} AS time_us, l.hash AS layout, f.values
FROM frames f JOIN machines m ON m.id = f.machine JOIN streams s ON s.id = f.stream JOIN layouts l ON l.id = f.layout
"""
_GAPS = """
SELECT m.name AS machine, s.stream, g.first_seq, g.last_seq, g.reason
FROM gaps g JOIN machines m ON m.id = g.machine JOIN streams s ON s.id = g.stream
"""
_REJECTS = """
SELECT m.name AS machine, s.stream, r.seq, r.time_us, l.hash AS layout, r.values
FROM rejects r JOIN machines m ON m.id = r.machine JOIN streams s ON s.id = r.stream
LEFT JOIN layouts l ON l.id = r.layout
"""
_EVENTS = f"""
SELECT machine, {_US.format("time")} AS time_us, severity, message, (fields ->> 'origin')::bigint AS origin,
    (fields ->> 'number')::bigint AS number, (fields ->> 'place')::bigint AS place
FROM events WHERE kind = '{EVENT_KIND}' ORDER BY id
"""
_BUCKETS = f"""
SELECT m.name AS machine, s.stream, {_US.format("b.time")} AS time_us, l.hash AS layout,
    b.samples, b.low, b.mean, b.high, b.counts
FROM {{}} b JOIN machines m ON m.id = b.machine JOIN streams s ON s.id = b.stream JOIN layouts l ON l.id = b.layout
"""
_TIERS = f"""
SELECT name, {_US.format("done")} AS done_us,
    CASE WHEN kept_from = '-infinity' THEN -1 ELSE {_US.format("kept_from")} END AS kept_from_us
FROM tiers
"""
_UNDONE = """
SELECT (SELECT count(*) FROM dirty_minutes) + (SELECT count(*) FROM dirty_hours) + (SELECT count(*) FROM late_frames)
"""


def is_migrated(url: str) -> bool:
    """Whether an aggregator has made its tables."""
    with psycopg.connect(url) as connection:
        return _scalar(connection, "SELECT count(*) FROM pg_class WHERE relname = 'latest'") > 0


def read(url: str) -> Stored:
    """Everything, as of one instant. Indexes are not trusted: one that a crash has damaged would hide a row."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
        return Stored(
            frames=_all(connection, Row, _FRAMES),
            gaps=_all(connection, StoredGap, _GAPS),
            rejects=_all(connection, Reject, _REJECTS),
            events=_all(connection, StoredEvent, _EVENTS),
            durable=dict(connection.execute("SELECT stream, durable_seq FROM streams")),
            minutes=_all(connection, Bucket, _BUCKETS.format("minutes")),
            hours=_all(connection, Bucket, _BUCKETS.format("hours")),
            tiers={name: Tier(done, kept) for name, done, kept in connection.execute(_TIERS)},
            undone=_scalar(connection, _UNDONE),
        )


def _all(connection: psycopg.Connection, kind: type[T], query: str) -> list[T]:
    with connection.cursor(row_factory=class_row(kind), binary=True) as cursor:
        return cursor.execute(query).fetchall()


def _scalar(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
