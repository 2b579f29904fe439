"""A small pool of connections to PostgreSQL on which nobody waits for ever.

A query that the server does not answer in time is cut off at the socket: to be cancelled it would need the server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sysmonstm.config import UserError
from sysmonstm.problem import RETRY_SECONDS

Connection: TypeAlias = AsyncConnection

STATEMENT_SECONDS = 5.0
# Only a server that hangs lets a statement take longer than its own limit.
HANGING_SECONDS = 7.0
CONNECT_SECONDS = 2.0
# When to ask again what is dear to ask, or takes somebody to mend it.
LATER_SECONDS = 60


class DatabaseError(Exception):
    """PostgreSQL has no answer for now; the sentence says why and what may help. Ask again after `retry_seconds`."""

    def __init__(self, why: str, retry_seconds: int = RETRY_SECONDS) -> None:
        super().__init__(why)
        self.retry_seconds = retry_seconds


class Pool:
    """At most `size` connections that only read, made when they are first needed."""

    def __init__(self, url: str, size: int) -> None:
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # Its own words may quote a password.
            raise UserError(
                "TIMESCALE_URL has a setting that libpq does not know; those are in PostgreSQL's manual, 34.1.2"
            ) from None
        # It warns at each attempt for as long as the server is away; /ready and one line of ours say it.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._pool = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=size,
            open=False,
            timeout=CONNECT_SECONDS,
            # Longer, and it backs off for minutes while requests wait.
            reconnect_timeout=CONNECT_SECONDS,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS, "application_name": "sysmon-gatewayd"},
            configure=_configure,
            check=_check,
        )

    async def open(self) -> None:
        """Allow connections; none is made yet."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close the connections, and do not wait for a server that hangs."""
        await self._pool.close(timeout=0.5)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for a question; DatabaseError if it cannot be answered now."""
        try:
            async with self._pool.connection() as connection, _cut_off_after(HANGING_SECONDS, connection):
                yield connection
        except PoolTimeout:
            raise DatabaseError("PostgreSQL is away or all connections to it are busy") from None
        except errors.QueryCanceled:
            raise DatabaseError(
                f"PostgreSQL took longer than {STATEMENT_SECONDS:g} s; ask for a shorter range or fewer instances",
                LATER_SECONDS,
            ) from None
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction):
            raise DatabaseError(
                "the database does not have this version's schema; sysmon-aggregatord makes it when it starts"
            ) from None
        except errors.InsufficientPrivilege as error:
            why = f"the user in TIMESCALE_URL may not read that ({_first_line(error)})"
            raise DatabaseError(why, LATER_SECONDS) from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseError(f"PostgreSQL does not answer ({_first_line(error)})") from None


@asynccontextmanager
async def _cut_off_after(seconds: float, connection: AsyncConnection) -> AsyncIterator[None]:
    timer = asyncio.get_running_loop().call_later(seconds, _cut_off, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut_off(connection: AsyncConnection) -> None:
    """Make whoever waits on the connection see it closed."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.shutdown(socket.SHUT_RDWR)


async def _configure(connection: AsyncConnection) -> None:
    async with _cut_off_after(CONNECT_SECONDS, connection):
        await connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000:.0f}")
        await connection.execute("SET default_transaction_read_only = on")
        # It takes longer than most of these queries.
        await connection.execute("SET jit = off")
        # So does starting workers, and a question about many machines leaves the other CPUs to the others.
        await connection.execute("SET max_parallel_workers_per_gather = 0")


async def _check(connection: AsyncConnection) -> None:
    """Raise if a connection from the pool is dead: the server may have restarted since it was used."""
    async with _cut_off_after(CONNECT_SECONDS, connection):
        await connection.execute("")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
