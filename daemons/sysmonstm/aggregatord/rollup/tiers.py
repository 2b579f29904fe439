"""How far the roll-up has come: the table `tiers`, as seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection, errors

from sysmonstm import logs
from sysmonstm.aggregatord.history.locks import CLAIM_LOCK

log = logs.logger(__name__)

MINUTE = 60
HOUR = 3600
# Samples on their way are given this long to arrive, so that few minutes are made twice.
GRACE_SECONDS = 10
# Writers queue behind whoever waits for the exclusive lock.
CLAIM_WAIT = "2s"

# Python and numpy have no words for -infinity.
_READ = """
SELECT name, extract(epoch FROM claimed)::bigint, extract(epoch FROM done)::bigint,
    extract(epoch FROM greatest(kept_from, '0001-01-01 00:00:00Z'))::bigint
FROM tiers
"""
_CLAIM = "UPDATE tiers SET claimed = to_timestamp(%s) WHERE name = 'minute' AND claimed < to_timestamp(%s)"


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where each tier stands, as sql/0004_tiers.sql says; seconds since 1970."""

    raw_kept: int
    minute_claimed: int
    minute_done: int
    minute_kept: int
    hour_done: int
    hour_kept: int


def floor(second: float, step: int) -> int:
    """The start of the step that a moment lies in."""
    return int(second // step) * step


async def read_tiers(connection: AsyncConnection) -> Tiers:
    """As they are now."""
    rows = {row[0]: row[1:] for row in await (await connection.execute(_READ)).fetchall()}
    (_, _, raw_kept), (claimed, minute_done, minute_kept), (_, hour_done, hour_kept) = (
        rows[name] for name in ("raw", "minute", "hour")
    )
    return Tiers(raw_kept, claimed, minute_done, minute_kept, hour_done, hour_kept)


async def lock_out_writers(connection: AsyncConnection) -> None:
    """Wait until no writer is in a transaction, and let none in until this one ends; LockNotAvailable if it is long."""
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", (CLAIM_WAIT,))
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))


async def claim_minutes(connection: AsyncConnection, now: float) -> bool:
    """Make the minutes before `now` the roll-up's: what comes for one of them after this marks it dirty. False."""
    claimed = floor(now - GRACE_SECONDS, MINUTE)
    try:
        async with connection.transaction():
            await lock_out_writers(connection)
            await connection.execute(_CLAIM, (claimed, claimed))
    except errors.LockNotAvailable:
        log.warning("rollup.waits", "a writer's transaction takes long; the roll-up goes on with what it has claimed")
    return False
