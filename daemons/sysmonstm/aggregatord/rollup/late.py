"""Frames that came when raw no longer had their time: each is counted into its minute or hour once.

The frames are deleted in the transaction that counts them; their key keeps one that comes again from counting again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import LiteralString

from psycopg import AsyncConnection, sql

from sysmonstm import logs
from sysmonstm.aggregatord.rollup import copyrows
from sysmonstm.aggregatord.rollup.block import Block
from sysmonstm.aggregatord.rollup.make import FRAMES_IN_PART, STORED_COLUMNS, copy_in, report_damaged
from sysmonstm.aggregatord.rollup.minutes import mark_hours
from sysmonstm.aggregatord.rollup.reduce import FrameGroup, merge, reduce_frames
from sysmonstm.aggregatord.rollup.stored import StoredGroup, read_stored
from sysmonstm.aggregatord.rollup.tiers import read_tiers

log = logs.logger(__name__)

# Taken in the order of their key, so that the frames of a minute come together and its row is merged once.
FRAMES = 1000

_TAKE = sql.SQL("""
WITH taken AS (
    DELETE FROM late_frames
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM late_frames ORDER BY machine, time, stream LIMIT {frames}))
    RETURNING machine, time, stream, layout, values),
frame AS (
    SELECT *, date_bin(CASE WHEN time >= to_timestamp(%(minute_kept)s) THEN interval '1 minute' ELSE '1 hour' END,
        time, 'epoch') AS bucket
    FROM taken),
numbered AS (
    SELECT *, (row_number() OVER (PARTITION BY machine, bucket, stream, layout ORDER BY time) - 1) / {most} AS part
    FROM frame)
SELECT machine, extract(epoch FROM bucket)::bigint, stream, layout, part, count(*)::integer,
    string_agg(array_send(values), '')
FROM numbered
GROUP BY machine, bucket, stream, layout, part ORDER BY 1, 2, 3, 4, 5
""")
# With constants, as the DELETE of minutes that are made anew.
_TAKE_STORED = sql.SQL("""
WITH taken AS (
    DELETE FROM {table} AS stored USING unnest(%(machines)s::integer[], %(seconds)s::bigint[], %(streams)s::integer[],
        %(layouts)s::integer[]) AS wanted (machine, second, stream, layout)
    WHERE stored.machine = wanted.machine AND stored.time = to_timestamp(wanted.second)
        AND stored.stream = wanted.stream AND stored.layout = wanted.layout
        AND stored.machine = ANY (%(machines)s::integer[])
        AND stored.time >= to_timestamp(%(lowest)s) AND stored.time <= to_timestamp(%(highest)s)
    RETURNING stored.*)
SELECT machine, extract(epoch FROM time)::bigint, stream, layout, {columns}
FROM taken GROUP BY machine, time, stream, layout
""")


async def merge_late_frames(connection: AsyncConnection) -> bool:
    """Count some of the late frames into minutes or hours; whether there may be more."""
    async with connection.transaction():
        tiers = await read_tiers(connection)
        query = _TAKE.format(frames=sql.Literal(FRAMES), most=sql.Literal(FRAMES_IN_PART))
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(query, {"minute_kept": tiers.minute_kept})
            groups = [FrameGroup(*row) for row in await cursor.fetchall()]
        minutes = [group for group in groups if group.second >= tiers.minute_kept]
        hours = [group for group in groups if tiers.hour_kept <= group.second < tiers.minute_kept]
        await _count_in(connection, "minutes", minutes)
        await _count_in(connection, "hours", hours)
        await mark_hours(connection, [(group.machine, group.second) for group in minutes])
    _report_lost([group for group in groups if group.second < min(tiers.hour_kept, tiers.minute_kept)])
    return sum(group.frames for group in groups) == FRAMES


async def _count_in(connection: AsyncConnection, table: LiteralString, groups: Sequence[FrameGroup]) -> None:
    if not groups:
        return
    reduced = await asyncio.to_thread(reduce_frames, groups)
    report_damaged(reduced.damaged)
    keys = sorted({(group.machine, group.second, group.stream, group.layout) for group in groups})
    stored = await _take_stored(connection, table, keys)
    await copy_in(connection, table, await asyncio.to_thread(_merged, reduced.blocks, stored))


async def _take_stored(
    connection: AsyncConnection, table: LiteralString, keys: Sequence[tuple[int, int, int, int]]
) -> list[StoredGroup]:
    machines, seconds, streams, layouts = (list(column) for column in zip(*keys, strict=True))
    arguments = {"machines": machines, "seconds": seconds, "streams": streams, "layouts": layouts}
    bounds = {"lowest": min(seconds), "highest": max(seconds)}
    async with connection.cursor(binary=True) as cursor:
        query = _TAKE_STORED.format(table=sql.Identifier(table), columns=STORED_COLUMNS)
        await cursor.execute(query, arguments | bounds, prepare=False)
        return [StoredGroup(*row) for row in await cursor.fetchall()]


def _merged(blocks: list[Block], stored: list[StoredGroup]) -> bytes:
    return copyrows.encode(merge(blocks + read_stored(stored)))


def _report_lost(groups: Sequence[FrameGroup]) -> None:
    if groups:
        log.warning(
            "rollup.too_old",
            "frames came that are older than what any tier keeps; they are in no history",
            frames=sum(group.frames for group in groups),
            machine=groups[0].machine,
            second=groups[0].second,
        )
