"""What minutes and hours must come to, reckoned from every frame that was ever sent; and a writer for one transaction.

The writer keeps to what HistoryWriter keeps to: the shared lock, then where the tiers stand, then frames, late frames,
marks and cursors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from sysmonstm.aggregatord.history.locks import CLAIM_LOCK

START = 1_772_323_200  # 2026-03-01 00:00 UTC
TABLES = "machines, streams, frames, minutes, hours, late_frames, dirty_minutes, dirty_hours, forgotten"
WIDTHS = {1: 2, 2: 3}

_TIERS = """
SELECT (extract(epoch FROM claimed) * 1000000)::bigint,
    (SELECT (extract(epoch FROM greatest(kept_from, '0001-01-01Z')) * 1000000)::bigint FROM tiers WHERE name = 'raw')
FROM tiers WHERE name = 'minute'
"""
_TIME = "'epoch'::timestamptz + %s * interval '1 microsecond'"
_INSERT = f"INSERT INTO {{}} VALUES ({_TIME}, %s, %s, %s, %s::real[]) ON CONFLICT DO NOTHING RETURNING machine"
_ROWS = """
SELECT machine, extract(epoch FROM time)::bigint, stream, layout, samples, low, mean, high, counts FROM {}
WHERE time >= (SELECT kept_from FROM tiers WHERE name = {}) ORDER BY 1, 2, 3, 4
"""

Key = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame."""

    machine: int
    stream: int
    seq: int
    time_us: int
    layout: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a tier, with every count."""

    samples: int
    low: NDArray[np.float32]
    mean: NDArray[np.float64]
    high: NDArray[np.float32]
    counts: NDArray[np.int64]


def reset(connection: psycopg.Connection, start: int = START) -> None:
    """Machines 1 and 2, streams 1 and 2 of the first and 3 of the second, and nothing rolled up."""
    connection.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE".encode())
    for name in ("web1", "web2"):
        connection.execute(
            "INSERT INTO machines (name, stream, interval_seconds, agent_version, facts) VALUES (%s, '', 5, '', '{}')",
            (name,),
        )
    for stream, machine in ((b"1", 1), (b"2", 1), (b"3", 2)):
        connection.execute("INSERT INTO streams (stream, machine) VALUES (%s, %s)", (stream, machine))
    connection.execute(
        "UPDATE tiers SET claimed = to_timestamp(%s), done = to_timestamp(%s), kept_from = '-infinity'", (start, start)
    )
    connection.commit()


def write(connection: psycopg.Connection, frames: Sequence[Sent], commit: bool = True) -> None:
    """What a HistoryWriter does in one transaction; without `commit` it is left open."""
    cursor = connection.cursor()
    cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (CLAIM_LOCK,))
    row = cursor.execute(_TIERS).fetchone()
    assert row is not None
    claimed, kept = row
    dirty = set()
    for frame in sorted(frames, key=lambda one: (one.machine, one.time_us, one.stream)):
        if frame.time_us >= kept and _insert(cursor, "frames", frame) and frame.time_us < claimed:
            dirty.add((frame.machine, frame.time_us // 60_000_000 * 60))
    streams = sorted({frame.stream for frame in frames})
    known: dict[int, int] = dict(
        cursor.execute(
            "SELECT id, durable_seq FROM streams WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (streams,)
        ).fetchall()
    )
    for frame in frames:
        if frame.time_us < kept and frame.seq > known[frame.stream]:
            _insert(cursor, "late_frames", frame)
    for machine, minute in sorted(dirty):
        cursor.execute("INSERT INTO dirty_minutes VALUES (%s, to_timestamp(%s))", (machine, minute))
    for stream in streams:
        last = max(frame.seq for frame in frames if frame.stream == stream)
        cursor.execute(
            "UPDATE streams SET durable_seq = %s, moved = now() WHERE id = %s AND durable_seq < %s",
            (last, stream, last),
        )
    if commit:
        connection.commit()


def _insert(cursor: psycopg.Cursor, table: str, frame: Sent) -> bool:
    values = (frame.time_us, frame.machine, frame.stream, frame.layout, list(frame.values))
    return bool(cursor.execute(_INSERT.format(table).encode(), values).fetchall())


def expected(frames: Iterable[Sent], step: int) -> dict[Key, Row]:
    """What the frames come to in buckets of `step` seconds."""
    groups: defaultdict[Key, dict[int, tuple[float, ...]]] = defaultdict(dict)
    for frame in frames:
        bucket = frame.time_us // 1_000_000 // step * step
        groups[frame.machine, bucket, frame.stream, frame.layout][frame.time_us] = frame.values
    return {key: _row(np.array(list(values.values()), np.float32)) for key, values in groups.items()}


def _row(readings: NDArray[np.float32]) -> Row:
    known = ~np.isnan(readings)
    with np.errstate(all="ignore"):
        mean = np.where(known, readings.astype(np.float64), 0).sum(axis=0) / known.sum(axis=0)
    return Row(
        len(readings), np.fmin.reduce(readings, axis=0), mean, np.fmax.reduce(readings, axis=0), known.sum(axis=0)
    )


def stored(connection: psycopg.Connection, table: str) -> dict[Key, Row]:
    """The rows of a tier that it is to keep, as they are now."""
    tier = {"minutes": "'minute'", "hours": "'hour'"}[table]
    rows = connection.execute(_ROWS.format(table, tier).encode()).fetchall()
    connection.rollback()
    found = {}
    for *key, samples, low, mean, high, counts in rows:
        means = np.array(mean, np.float64)
        given = np.where(np.isnan(means), 0, samples) if counts is None else np.array(counts)
        row = Row(samples, np.array(low, np.float32), means, np.array(high, np.float32), given)
        found[key[0], key[1], key[2], key[3]] = row
    assert len(found) == len(rows)
    return found


def differences(got: dict[Key, Row], want: dict[Key, Row]) -> list[str]:
    """What is not as it should be. Counts, low and high are exact; a mean may be off by some last places of float32."""
    found = [f"{key} is missing" for key in want.keys() - got.keys()]
    found += [f"{key} should not be" for key in got.keys() - want.keys()]
    for key in got.keys() & want.keys():
        ours, theirs = got[key], want[key]
        if not _same(ours, theirs):
            found.append(f"{key}: {ours} and not {theirs}")
    return sorted(found)


def _same(ours: Row, theirs: Row) -> bool:
    exact = (
        ours.samples == theirs.samples
        and np.array_equal(ours.low, theirs.low, equal_nan=True)
        and np.array_equal(ours.high, theirs.high, equal_nan=True)
        and np.array_equal(ours.counts, theirs.counts)
    )
    with np.errstate(all="ignore"):
        largest = np.fmax(np.abs(ours.low.astype(np.float64)), np.abs(ours.high.astype(np.float64)))
        # A mean that was stored, merged and stored again is rounded each time.
        near = np.abs(ours.mean - theirs.mean) <= 16 * np.finfo(np.float32).eps * largest + 1e-44
        both = np.isnan(ours.mean) & np.isnan(theirs.mean)
        equal = ours.mean.astype(np.float32) == theirs.mean.astype(np.float32)
    return bool(exact and (near | both | equal).all())
