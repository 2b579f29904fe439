"""Tells of machines that people had forgotten, deletes their history, and forgets those long silent."""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection

from sysmonstm import logs
from sysmonstm.aggregatord.rollup.sweep import delete_from_tier, delete_of_machine

log = logs.logger(__name__)

# An aggregator that did not know of it yet may have written a little more.
SETTLE_SECONDS = 120
REMEMBERED_SECONDS = 30 * 86400
SILENT_AT_ONCE = 100

_FORGOTTEN = """
SELECT id, name, EXISTS (SELECT FROM machines WHERE machines.name = forgotten.name) FROM forgotten ORDER BY id
"""
_PENDING = "SELECT id, machine, extract(epoch FROM time)::float8 FROM forgotten WHERE deleted IS NULL ORDER BY id"
_DELETED = "UPDATE forgotten SET deleted = to_timestamp(%s) WHERE id = %s"
_DROP = "DELETE FROM forgotten WHERE deleted IS NOT NULL AND time < to_timestamp(%s)"
_SILENT = """
SELECT name, forget_machine(name) FROM (
    SELECT name FROM machines WHERE first_seen < to_timestamp(%(before)s) AND NOT EXISTS (
        SELECT FROM streams WHERE streams.machine = machines.id AND moved >= to_timestamp(%(before)s))
    ORDER BY name LIMIT %(most)s) AS silent
"""
_TIERS: tuple[LiteralString, ...] = ("frames", "minutes", "hours")
_TABLES: tuple[LiteralString, ...] = ("late_frames", "gaps", "rejects", "dirty_minutes", "dirty_hours")


class Notice:
    """Which machines were forgotten since it was last asked."""

    def __init__(self) -> None:
        self._known: set[int] | None = None

    async def news(self, connection: AsyncConnection) -> list[str]:
        """Their names. At first all that are still gone: nobody else may have told Redis."""
        rows = await (await connection.execute(_FORGOTTEN)).fetchall()
        known, self._known = self._known, {number for number, *_ in rows}
        if known is None:
            return [name for _, name, is_back in rows if not is_back]
        return [name for number, name, _ in rows if number not in known]


async def forget_silent_machines(connection: AsyncConnection, seconds: float, now: float) -> bool:
    """Forget some of the machines that have sent nothing for that long; whether there may be more."""
    rows = await (await connection.execute(_SILENT, {"before": now - seconds, "most": SILENT_AT_ONCE})).fetchall()
    for name, _ in rows:
        log.info("machine.forgotten", f"{name} was forgotten: it has sent nothing for long", machine=name)
    return len(rows) == SILENT_AT_ONCE


async def delete_forgotten_history(connection: AsyncConnection, now: float) -> bool:
    """Delete some of the history of forgotten machines; whether there may be more."""
    pending = await (await connection.execute(_PENDING)).fetchall()
    for number, machine, time in pending:
        if await _delete_some(connection, machine):
            return True
        if now - time > SETTLE_SECONDS:
            await connection.execute(_DELETED, (now, number))
    await connection.execute(_DROP, (now - REMEMBERED_SECONDS,))
    return False


async def _delete_some(connection: AsyncConnection, machine: int) -> bool:
    deleted = False
    for tier in _TIERS:
        deleted |= await delete_from_tier(connection, tier, float("inf"), machine)
    for table in _TABLES:
        deleted |= await delete_of_machine(connection, table, machine)
    return deleted
