"""Deletes rows a bounded number at a time, without a look at the rest of the table."""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection, sql

from sysmonstm.aggregatord.rollup.tiers import HOUR

# Of tables that are not tiers.
BATCH = 10_000
# Some 100,000 rows in one transaction: a hundred machines, and of each from its oldest row on as many seconds as these.
MACHINES = 100
WINDOW_SECONDS = {"frames": HOUR, "minutes": 12 * HOUR, "hours": 30 * 24 * HOUR}

ALL_MACHINES = sql.SQL("SELECT id FROM machines")
ONE_MACHINE = sql.SQL("SELECT %(machine)s::integer AS id")

# Oldest rows are found machine by machine, by the tier's key.
_OLDEST = sql.SQL("""
SELECT machine.id, floor(extract(epoch FROM first.time))::bigint
FROM ({machines}) AS machine CROSS JOIN LATERAL (
    SELECT time FROM {table} AS stored WHERE stored.machine = machine.id AND stored.time < to_timestamp(%(before)s)
    ORDER BY time LIMIT 1) AS first
LIMIT %(most)s
""")
# Unlike ctid, time and machine name the same rows in every chunk of a hypertable. They are constants, and not joined to
# what was found: by those alone TimescaleDB chooses which compressed batches it unpacks. It is never prepared, for the
# plan of a prepared statement may have none.
_TIER = sql.SQL("""
DELETE FROM {table}
WHERE machine = %(machine)s::integer AND time >= to_timestamp(%(start)s) AND time < to_timestamp(%(stop)s)
""")
_OLD = sql.SQL("""
DELETE FROM {table}
WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {column} < to_timestamp(%s) LIMIT %s))
""")
_OF_MACHINE = sql.SQL("""
DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE machine = %s LIMIT %s))
""")


async def delete_from_tier(
    connection: AsyncConnection, table: LiteralString, before: float, machine: int | None = None
) -> bool:
    """Delete some rows of a tier from before then, of one machine or of those in the fleet; whether there were any."""
    machines = ALL_MACHINES if machine is None else ONE_MACHINE
    find = _OLDEST.format(table=sql.Identifier(table), machines=machines)
    delete = _TIER.format(table=sql.Identifier(table))
    async with connection.transaction():
        cursor = await connection.execute(find, {"before": before, "most": MACHINES, "machine": machine})
        oldest = await cursor.fetchall()
        for found, start in oldest:
            stop = min(before, start + WINDOW_SECONDS[table])
            arguments = {"machine": found, "start": start, "stop": stop}
            await connection.execute(delete, arguments, prepare=False)
    return bool(oldest)


async def delete_old(connection: AsyncConnection, table: LiteralString, column: LiteralString, before: float) -> bool:
    """Delete some rows of a plain table whose `column` is before that time; whether there may be more."""
    query = _OLD.format(table=sql.Identifier(table), column=sql.Identifier(column))
    return (await connection.execute(query, (before, BATCH))).rowcount == BATCH


async def delete_of_machine(connection: AsyncConnection, table: LiteralString, machine: int) -> bool:
    """Delete some rows of a plain table that are of a machine; whether there were any."""
    query = _OF_MACHINE.format(table=sql.Identifier(table))
    return (await connection.execute(query, (machine, BATCH))).rowcount > 0
