"""Minutes: those that are newly over, and those that a late frame has marked."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection

from sysmonstm.aggregatord.rollup.make import MINUTES, every_machine, make_rows, marked
from sysmonstm.aggregatord.rollup.tiers import MINUTE, floor, read_tiers

# What is made in one transaction. Minutes of a machine that are written together lie together on disk, and are read in
# fewer pages.
SLICE_SECONDS = 15 * MINUTE
MARKS = 1000

_DONE = "UPDATE tiers SET done = to_timestamp(%s) WHERE name = 'minute'"
_NEXT_FRAME = """
SELECT extract(epoch FROM min(first.time))::float8 FROM machines CROSS JOIN LATERAL (
    SELECT time FROM frames WHERE machine = machines.id AND time >= to_timestamp(%s) ORDER BY time LIMIT 1) AS first
"""
# Marks of minutes that have gone from raw, or are still to be made, mean nothing.
_TAKE_MARKS = """
DELETE FROM dirty_minutes WHERE ctid = ANY (ARRAY(SELECT ctid FROM dirty_minutes LIMIT %s))
RETURNING machine, extract(epoch FROM time)::bigint
"""
# Machines and bounds are said again as constants: by those alone TimescaleDB chooses the compressed batches it unpacks.
# It is never prepared, for the plan of a prepared statement may have none.
_FORGET = """
DELETE FROM minutes USING unnest(%(machines)s::integer[], %(seconds)s::bigint[]) AS dirty (machine, second)
WHERE minutes.machine = dirty.machine AND minutes.time = to_timestamp(dirty.second)
    AND minutes.machine = ANY (%(machines)s::integer[])
    AND minutes.time >= to_timestamp(%(lowest)s) AND minutes.time < to_timestamp(%(highest)s)
"""
_MARK_HOURS = """
INSERT INTO dirty_hours (machine, time)
SELECT DISTINCT machine, date_bin('1 hour', to_timestamp(second), 'epoch')
FROM unnest(%s::integer[], %s::bigint[]) AS dirty (machine, second)
WHERE second < (SELECT extract(epoch FROM claimed) FROM tiers WHERE name = 'hour')
"""


async def make_new_minutes(connection: AsyncConnection) -> bool:
    """Make some of the minutes that are claimed and not made; whether there are more."""
    tiers = await read_tiers(connection)
    start, stop = tiers.minute_done, min(tiers.minute_done + SLICE_SECONDS, tiers.minute_claimed)
    if start >= stop:
        return False
    async with connection.transaction():
        if not await make_rows(connection, MINUTES, every_machine(start, stop)):
            # Nobody sent anything: go on where somebody did, lest a hub that was away for a year make all its minutes.
            stop = await _next_frame(connection, stop, tiers.minute_claimed)
        await connection.execute(_DONE, (stop,))
    return stop < tiers.minute_claimed


async def _next_frame(connection: AsyncConnection, start: int, claimed: int) -> int:
    row = await (await connection.execute(_NEXT_FRAME, (start,))).fetchone()
    assert row is not None
    return claimed if row[0] is None else min(floor(row[0], MINUTE), claimed)


async def remake_marked_minutes(connection: AsyncConnection) -> bool:
    """Make some of the marked minutes anew; whether there may be more."""
    async with connection.transaction():
        # The marks first: the frames of a mark that is seen here are visible to the statements that follow.
        marks = await (await connection.execute(_TAKE_MARKS, (MARKS,))).fetchall()
        tiers = await read_tiers(connection)
        live = [(machine, second) for machine, second in set(marks) if tiers.raw_kept <= second < tiers.minute_done]
        if live:
            spans = marked(live, MINUTE)
            await connection.execute(_FORGET, spans.arguments, prepare=False)
            await make_rows(connection, MINUTES, spans)
            await mark_hours(connection, live)
    # What is marked meanwhile is for the next round, or a replay would keep this one for itself.
    return len(marks) == MARKS


async def mark_hours(connection: AsyncConnection, changed: Sequence[tuple[int, int]]) -> None:
    """Mark the hours of minutes (machine, start) that have changed, where those are made already."""
    machines, seconds = [machine for machine, _ in changed], [second for _, second in changed]
    await connection.execute(_MARK_HOURS, (machines, seconds))
