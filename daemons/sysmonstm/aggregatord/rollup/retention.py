"""Drops what is older than it is to be kept, and never before the next tier has it.

What is kept is a line in time, tiers.kept_from: it only ever moves ahead, no further than all before it is rolled up
and no mark is open there, and no further than that of the finer tier. Then what lies before it is deleted: on
TimescaleDB by whole chunks, so that rows outlast the line by up to a chunk; on plain PostgreSQL by DELETE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection, errors, sql

from sysmonstm import logs
from sysmonstm.aggregatord.rollup.sweep import delete_from_tier, delete_old
from sysmonstm.aggregatord.rollup.tiers import lock_out_writers, read_tiers

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many seconds each tier is kept, and machines that send nothing any more."""

    raw: float
    minutes: float
    hours: float
    silent_machines: float


_LINE = sql.SQL("""
UPDATE tiers SET kept_from = line
FROM (SELECT date_bin('1 hour', least(to_timestamp(%s), {bounds}), 'epoch') AS line) AS wanted
WHERE name = {tier} AND kept_from < line
""")
_ROLLED_UP = sql.SQL("(SELECT done FROM tiers WHERE name = {tier}), (SELECT min(time) FROM {marks})")
_FINER = sql.SQL("(SELECT kept_from FROM tiers WHERE name = {tier})")
_RAW = _LINE.format(
    tier=sql.Literal("raw"), bounds=_ROLLED_UP.format(tier=sql.Literal("minute"), marks=sql.Identifier("dirty_minutes"))
)
_MINUTE = _LINE.format(
    tier=sql.Literal("minute"),
    bounds=sql.SQL(", ").join(
        [
            _ROLLED_UP.format(tier=sql.Literal("hour"), marks=sql.Identifier("dirty_hours")),
            _FINER.format(tier=sql.Literal("raw")),
        ]
    ),
)
_HOUR = _LINE.format(tier=sql.Literal("hour"), bounds=_FINER.format(tier=sql.Literal("minute")))
_DROP_CHUNKS = "SELECT drop_chunks(%s::regclass, older_than => to_timestamp(%s))"
# What people are told of lasts as long as the hours, but for what was refused and is there to be looked at.
_TOLD: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("events", "time"),
    ("alert_transitions", "time"),  # its notifications go with it
    ("gaps", "noted"),
)


async def move_lines(connection: AsyncConnection, keep: Keep, now: float) -> bool:
    """Say from when on each tier is kept; False, for there is never more to do."""
    try:
        async with connection.transaction():
            # A frame from before the line is no longer raw's: no writer may have read another line than the roll-up.
            await lock_out_writers(connection)
            await connection.execute(_RAW, (now - keep.raw,))
    except errors.LockNotAvailable:
        log.warning("rollup.waits", "a writer's transaction takes long; nothing is dropped from raw this time")
    async with connection.transaction():
        await connection.execute(_MINUTE, (now - keep.minutes,))
        await connection.execute(_HOUR, (now - keep.hours,))
    return False


async def drop_old_rows(connection: AsyncConnection, hypertables: bool) -> bool:
    """Delete some of what lies before the lines; whether there may be more."""
    tiers = await read_tiers(connection)
    lines: tuple[tuple[LiteralString, int], ...] = (
        ("frames", tiers.raw_kept),
        ("minutes", tiers.minute_kept),
        ("hours", tiers.hour_kept),
    )
    more = False
    for table, line in lines:
        if hypertables:
            await connection.execute(_DROP_CHUNKS, (table, line))
        else:
            more |= await delete_from_tier(connection, table, line)
    return more


async def drop_old_news(connection: AsyncConnection, keep: Keep, now: float) -> bool:
    """Delete some of the news that is older than the tiers; whether there may be more."""
    more = await delete_old(connection, "rejects", "received", now - keep.minutes)
    for table, column in _TOLD:
        more |= await delete_old(connection, table, column, now - keep.hours)
    return more
