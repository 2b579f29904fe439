from __future__ import annotations

import asyncio
import dataclasses
import os

import psycopg
import pytest
from psycopg import AsyncConnection

from sysmonstm.aggregatord.migrate import Migration, migrate, migrations
from sysmonstm.config import UserError

ONE = Migration(1, "0001_one", "CREATE TABLE one (id integer)")
TWO = Migration(2, "0002_two", "CREATE TABLE two (id integer); INSERT INTO two VALUES (1)")
BROKEN = Migration(2, "0002_broken", "CREATE TABLE two (id integer); SELECT 1 / 0")


async def connect(url: str, **how: str) -> AsyncConnection:
    return await AsyncConnection.connect(url, autocommit=True, **how)  # type: ignore[arg-type]  # libpq's own words


async def tables(connection: AsyncConnection) -> set[str]:
    rows = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in await rows.fetchall()}


async def test_the_files_of_sql_are_applied_once_and_in_order(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as connection:
        names = await migrate(connection)
        assert names == sorted(migration.name for migration in migrations())
        assert names[0] == "0001_history"
        assert await migrate(connection) == []


async def test_a_file_that_is_new_is_applied_alone(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as connection:
        assert await migrate(connection, [ONE]) == ["0001_one"]
        assert await migrate(connection, [ONE, TWO]) == ["0002_two"]


async def test_of_two_at_once_one_works_and_the_other_finds_nothing_to_do(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as first, await connect(empty_database_url) as second:
        applied = await asyncio.gather(migrate(first), migrate(second))
    assert sorted(map(len, applied)) == [0, len(migrations())]


async def test_a_file_that_has_changed_since_is_refused(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as connection:
        await migrate(connection, [ONE])
        changed = dataclasses.replace(ONE, text=ONE.text + " ")
        with pytest.raises(UserError, match=r"sql/0001_one\.sql has changed"):
            await migrate(connection, [changed, TWO])
        assert "two" not in await tables(connection)


async def test_the_schema_of_a_newer_version_is_refused(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as connection:
        await migrate(connection, [ONE, TWO])
        with pytest.raises(UserError, match="schema 0002, which this sysmonstm does not know"):
            await migrate(connection, [ONE])


async def test_a_file_that_fails_leaves_nothing_and_holds_nobody_up(empty_database_url: str) -> None:
    async with await connect(empty_database_url) as connection, await connect(empty_database_url) as other:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(connection, [ONE, BROKEN])
        assert await tables(connection) == {"schema_migrations", "one"}
        assert await migrate(other, [ONE, TWO]) == ["0002_two"]


async def test_a_connection_that_breaks_says_why(empty_database_url: str) -> None:
    suicide = Migration(1, "0001_suicide", "SELECT pg_terminate_backend(pg_backend_pid())")
    async with await connect(empty_database_url) as connection:
        with pytest.raises(psycopg.errors.AdminShutdown):
            await migrate(connection, [suicide])


async def test_a_user_who_may_not_make_tables_is_told_so(empty_database_url: str) -> None:
    role = f"poor_{os.getpid()}"
    async with await connect(empty_database_url) as owner:
        await owner.execute(f"CREATE ROLE {role}".encode())
        try:
            await owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            await owner.execute(f"SET ROLE {role}".encode())
            with pytest.raises(UserError, match="TIMESCALE_URL: its user may not set up the database: permission"):
                await migrate(owner)
            # Where there is nothing to make, no such right is needed.
            await owner.execute("RESET ROLE")
            await migrate(owner)
            await owner.execute(f"GRANT SELECT ON schema_migrations TO {role}".encode())
            await owner.execute(f"SET ROLE {role}".encode())
            assert await migrate(owner) == []
            await owner.execute("RESET ROLE")
            await owner.execute(f"DROP OWNED BY {role}".encode())
        finally:
            await owner.execute("RESET ROLE")
            await owner.execute(f"DROP ROLE {role}".encode())
