"""Brings the database's schema up to date: the numbered files of sql/, each once, under an advisory lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from psycopg import AsyncConnection, errors

from sysmonstm import logs
from sysmonstm.aggregatord.history.locks import MIGRATE_LOCK
from sysmonstm.config import UserError
from sysmonstm.resources import resource

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of sql/."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(directory: Path | None = None) -> list[Migration]:
    """The files of sql/, by number."""
    files = sorted((directory or resource("sql")).glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(int(file.name[:4]), file.stem, file.read_text()) for file in files]


async def migrate(connection: AsyncConnection, wanted: list[Migration] | None = None) -> list[str]:
    """Apply what is missing, each file in a transaction of its own; the names of those applied.

    `connection` is in autocommit. Several may run at once: one works, the others wait and find nothing to do.
    UserError if the database was made by a newer sysmonstm, a file that was applied has changed since, or the
    database's user may not make tables.
    """
    wanted = migrations() if wanted is None else wanted
    await connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATE_LOCK,))
    try:
        applied = await _applied(connection)
        _check(wanted, applied)
        missing = [migration for migration in wanted if migration.version not in applied]
        for migration in missing:
            await _apply(connection, migration)
            log.info("database.migrated", f"the schema now has {migration.name}", migration=migration.name)
        return [migration.name for migration in missing]
    except errors.InsufficientPrivilege as error:
        raise UserError(f"TIMESCALE_URL: its user may not set up the database: {error.diag.message_primary}") from None
    finally:
        # A connection that broke has lost the lock already, and the error that says why is on its way.
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATE_LOCK,))


async def _applied(connection: AsyncConnection) -> dict[int, str]:
    there = await (await connection.execute("SELECT WHERE to_regclass('schema_migrations') IS NOT NULL")).fetchone()
    if there is None:
        # To say IF NOT EXISTS needs the right to make tables, which a user of a schema that is up to date may lack.
        await connection.execute(
            "CREATE TABLE schema_migrations ("
            " version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
            " applied timestamptz NOT NULL DEFAULT now())"
        )
    rows = await connection.execute("SELECT version, checksum FROM schema_migrations")
    return dict(await rows.fetchall())


def _check(wanted: list[Migration], applied: dict[int, str]) -> None:
    known = {migration.version: migration for migration in wanted}
    for version, checksum in applied.items():
        if version not in known:
            raise UserError(
                f"the database has schema {version:04}, which this sysmonstm does not know; run a newer one"
            )
        if known[version].checksum != checksum:
            raise UserError(f"sql/{known[version].name}.sql has changed since it was applied; add a new file instead")


async def _apply(connection: AsyncConnection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text.encode())
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.checksum),
        )
