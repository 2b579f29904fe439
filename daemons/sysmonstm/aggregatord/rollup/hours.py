"""Hours, made from minutes: those that are newly over, and those whose minutes have changed."""

from __future__ import annotations

from psycopg import AsyncConnection

from sysmonstm.aggregatord.rollup.make import HOURS, every_machine, make_rows, marked
from sysmonstm.aggregatord.rollup.tiers import HOUR, floor, read_tiers

MARKS = 500

# Only the leader writes minutes: what is claimed is made in the same transaction.
_DONE = "UPDATE tiers SET claimed = to_timestamp(%s), done = to_timestamp(%s) WHERE name = 'hour'"
_NEXT_MINUTE = """
SELECT extract(epoch FROM min(first.time))::float8 FROM machines CROSS JOIN LATERAL (
    SELECT time FROM minutes WHERE machine = machines.id AND time >= to_timestamp(%s) ORDER BY time LIMIT 1) AS first
"""
_TAKE_MARKS = """
DELETE FROM dirty_hours WHERE ctid = ANY (ARRAY(SELECT ctid FROM dirty_hours LIMIT %s))
RETURNING machine, extract(epoch FROM time)::bigint
"""
# With constants, as the one for minutes.
_FORGET = """
DELETE FROM hours USING unnest(%(machines)s::integer[], %(seconds)s::bigint[]) AS dirty (machine, second)
WHERE hours.machine = dirty.machine AND hours.time = to_timestamp(dirty.second)
    AND hours.machine = ANY (%(machines)s::integer[])
    AND hours.time >= to_timestamp(%(lowest)s) AND hours.time < to_timestamp(%(highest)s)
"""


async def make_new_hours(connection: AsyncConnection) -> bool:
    """Make one of the hours that are over and not made; whether there are more."""
    tiers = await read_tiers(connection)
    over = floor(tiers.minute_done, HOUR)
    start, stop = tiers.hour_done, tiers.hour_done + HOUR
    if stop > over:
        return False
    async with connection.transaction():
        if not await make_rows(connection, HOURS, every_machine(start, stop)):
            stop = await _next_minute(connection, stop, over)
        await connection.execute(_DONE, (stop, stop))
    return stop < over


async def _next_minute(connection: AsyncConnection, start: int, over: int) -> int:
    row = await (await connection.execute(_NEXT_MINUTE, (start,))).fetchone()
    assert row is not None
    return over if row[0] is None else min(floor(row[0], HOUR), over)


async def remake_marked_hours(connection: AsyncConnection) -> bool:
    """Make some of the marked hours anew; whether there may be more."""
    async with connection.transaction():
        marks = await (await connection.execute(_TAKE_MARKS, (MARKS,))).fetchall()
        tiers = await read_tiers(connection)
        live = [(machine, second) for machine, second in set(marks) if tiers.minute_kept <= second < tiers.hour_done]
        if live:
            spans = marked(live, HOUR)
            await connection.execute(_FORGET, spans.arguments, prepare=False)
            await make_rows(connection, HOURS, spans)
    # What is marked meanwhile is for the next round, or a replay would keep this one for itself.
    return len(marks) == MARKS
