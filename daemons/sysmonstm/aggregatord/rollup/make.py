"""Makes rows of `minutes` from frames, and rows of `hours` from minutes, for spans of time of machines.

Rows are read machine by machine through the index by machine and time: that costs a microsecond a frame more than by an
index on time alone, but needs neither statistics nor rows that lie in order of time, which they do not where DELETE has
made room. What is in memory at once is bounded, whatever a machine has sent. The reckoning is done in a thread: one
portion takes some milliseconds, and numpy lets the event loop run meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from psycopg import AsyncConnection, sql

from sysmonstm import logs
from sysmonstm.aggregatord.rollup import copyrows
from sysmonstm.aggregatord.rollup.block import Block
from sysmonstm.aggregatord.rollup.reduce import FrameGroup, merge, reduce_frames
from sysmonstm.aggregatord.rollup.stored import StoredGroup, read_stored
from sysmonstm.aggregatord.rollup.tiers import HOUR, MINUTE

log = logs.logger(__name__)

# More frames of one group come in parts, so that a machine may send what it likes.
FRAMES_IN_PART = 100
# How much is reckoned at a time, about; and of the first rows, whose size is not known.
PORTION_BYTES = 1 << 20
FIRST_ROWS = 16
MOST_ROWS = 1000

EVERY_MACHINE = sql.SQL("""
SELECT id AS machine, to_timestamp(%(lowest)s) AS start, to_timestamp(%(highest)s) AS stop FROM machines ORDER BY id
""")
MARKED = sql.SQL("""
SELECT machine, to_timestamp(second) AS start, to_timestamp(second + %(step)s) AS stop
FROM unnest(%(machines)s::integer[], %(seconds)s::bigint[]) AS marked (machine, second)
""")

# The lowest and highest bounds say the same again as constants, by which chunks are left out of the plan.
FRAME_GROUPS = sql.SQL("""
SELECT span.machine, made.* FROM ({spans}) AS span CROSS JOIN LATERAL (
    SELECT extract(epoch FROM bucket)::bigint, stream, layout, part, count(*)::integer,
        string_agg(array_send(values), '')
    FROM (
        SELECT bucket, stream, layout, values,
            (row_number() OVER (PARTITION BY bucket, stream, layout ORDER BY time) - 1) / {most} AS part
        FROM (
            SELECT date_bin('1 minute', time, 'epoch') AS bucket, time, stream, layout, values FROM frames
            WHERE machine = span.machine AND time >= span.start AND time < span.stop
                AND time >= to_timestamp(%(lowest)s) AND time < to_timestamp(%(highest)s)) AS frame) AS numbered
    GROUP BY bucket, stream, layout, part ORDER BY bucket, stream, layout, part) AS made
""")
STORED_COLUMNS = sql.SQL("""
    count(*)::integer, string_agg(int4send(samples), ''), string_agg(boolsend(counts IS NOT NULL), ''),
    string_agg(array_send(low), ''), string_agg(array_send(mean), ''), string_agg(array_send(high), ''),
    string_agg(array_send(counts), '')
""")
MINUTE_GROUPS = sql.SQL("""
SELECT span.machine, made.* FROM ({spans}) AS span CROSS JOIN LATERAL (
    SELECT extract(epoch FROM bucket)::bigint, stream, layout, {columns}
    FROM (
        SELECT date_bin('1 hour', time, 'epoch') AS bucket, * FROM minutes
        WHERE machine = span.machine AND time >= span.start AND time < span.stop
            AND time >= to_timestamp(%(lowest)s) AND time < to_timestamp(%(highest)s)) AS minute
    GROUP BY bucket, stream, layout ORDER BY bucket, stream, layout) AS made
""")
COLUMNS = sql.SQL(copyrows.COLUMNS)
_COPY = sql.SQL("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")


@dataclass(frozen=True, slots=True)
class Spans:
    """Which machines, and from when to when of each; all of it within [lowest, highest), in seconds since 1970."""

    source: sql.SQL
    arguments: dict[str, object]


def every_machine(lowest: int, highest: int) -> Spans:
    """All of that time."""
    return Spans(EVERY_MACHINE, {"lowest": lowest, "highest": highest})


def marked(marks: Sequence[tuple[int, int]], step: int) -> Spans:
    """Steps of machines: (machine, when it starts), at least one."""
    machines, seconds = (list(column) for column in zip(*sorted(marks), strict=True))
    bounds = {"lowest": min(seconds), "highest": max(seconds) + step}
    return Spans(MARKED, {"machines": machines, "seconds": seconds, "step": step, **bounds})


class Made(NamedTuple):
    """What a portion of rows comes to: whole groups as COPY takes them, and parts of groups of which there is more."""

    copy: bytes
    rows: int
    parts: list[Block]
    damaged: list[FrameGroup]


def made_of_frames(rows: Sequence[tuple[Any, ...]]) -> Made:
    """Minutes from rows of FRAME_GROUPS."""
    groups = [FrameGroup(*row) for row in rows]
    partial = [group for group in groups if group.part or group.frames == FRAMES_IN_PART]
    whole = reduce_frames([group for group in groups if not (group.part or group.frames == FRAMES_IN_PART)])
    parts = reduce_frames(partial)
    made = sum(len(block) for block in whole.blocks)
    return Made(copyrows.encode(whole.blocks), made, merge(parts.blocks), whole.damaged + parts.damaged)


def made_of_minutes(rows: Sequence[tuple[Any, ...]]) -> Made:
    """Hours from rows of MINUTE_GROUPS."""
    blocks = merge(read_stored([StoredGroup(*row) for row in rows]))
    return Made(copyrows.encode(blocks), sum(len(block) for block in blocks), [], [])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the rows of a table are made: of what `query` finds for spans, by `make`."""

    table: LiteralString
    step: int
    query: sql.SQL
    make: Callable[[Sequence[tuple[Any, ...]]], Made]


MINUTES = Recipe("minutes", MINUTE, FRAME_GROUPS, made_of_frames)
HOURS = Recipe("hours", HOUR, MINUTE_GROUPS, made_of_minutes)


async def make_rows(connection: AsyncConnection, recipe: Recipe, spans: Spans) -> int:
    """Make the rows of these spans, which must not be there yet, in the transaction that is under way; how many."""
    made, parts, damaged = 0, [], []
    async for rows in _portions(connection, recipe, spans):
        portion = await asyncio.to_thread(recipe.make, rows)
        await copy_in(connection, recipe.table, portion.copy)
        made += portion.rows
        parts += portion.parts
        damaged += portion.damaged
    if parts:
        blocks = merge(parts)
        await copy_in(connection, recipe.table, copyrows.encode(blocks))
        made += sum(len(block) for block in blocks)
    report_damaged(damaged)
    return made


async def copy_in(connection: AsyncConnection, table: LiteralString, rows: bytes) -> None:
    """Add rows to a tier's table, in the transaction that is under way."""
    async with (
        connection.cursor() as cursor,
        cursor.copy(_COPY.format(table=sql.Identifier(table), columns=COLUMNS)) as copy,
    ):
        await copy.write(rows)


def report_damaged(groups: Sequence[FrameGroup]) -> None:
    """Say which frames were left out."""
    if groups:
        first = groups[0]
        log.error(
            "rollup.damaged",
            "frames have values that are no plain arrays of one length; they are left out of minutes and hours",
            frames=sum(group.frames for group in groups),
            machine=first.machine,
            second=first.second,
            layout=first.layout,
        )


async def _portions(connection: AsyncConnection, recipe: Recipe, spans: Spans) -> AsyncIterator[list[tuple[Any, ...]]]:
    query = recipe.query.format(spans=spans.source, most=sql.Literal(FRAMES_IN_PART), columns=STORED_COLUMNS)
    async with connection.cursor(name="groups", binary=True) as cursor:
        await cursor.execute(query, spans.arguments)
        many = FIRST_ROWS
        while rows := await cursor.fetchmany(many):
            yield rows
            size = sum(len(part) for row in rows for part in row if isinstance(part, bytes)) // len(rows)
            many = min(max(PORTION_BYTES // (size + 1), 1), MOST_ROWS)
