"""Connections to PostgreSQL on which a commit lasts, and which never hold up whoever wants to be rid of them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection

from sysmonstm.config import UserError

CONNECT_SECONDS = 5
# A name of several hosts that are all away takes one after the other.
CONNECTING_SECONDS = 60.0
# What `answered` may take beyond its limit, to be rid of the connection.
LETTING_GO_SECONDS = 20.0
# A server whose machine is gone says nothing at all: TCP gives up after this.
SILENCE_SECONDS = 30

# An acknowledgement means that a commit is on disk, whatever the server does by default. A transaction that nobody goes
# on with, because its aggregator is frozen, ends before its locks have held others up for long. TimescaleDB lets a
# statement unpack 100,000 compressed rows and refuses more: that would stop the roll-up for good, whose statements are
# bounded already. Other servers take the name of a parameter that they do not have.
_SETTINGS = """
SET synchronous_commit = on;
SET default_transaction_isolation = 'read committed';
SET idle_in_transaction_session_timeout = '60s';
SET lock_timeout = '10s';
SET jit = off;
SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0
"""
_EDITION = """
SELECT current_setting('server_version'), current_setting('timescaledb.license', true),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edition:
    """Which server it is; `timescaledb` is the extension's version, None on plain PostgreSQL."""

    postgresql: str
    timescaledb: str | None = None
    community: bool = False

    def __str__(self) -> str:
        server = f"PostgreSQL {self.postgresql}"
        if self.timescaledb is None:
            return f"plain {server}"
        return f"TimescaleDB {self.timescaledb} {'Community' if self.community else 'Apache'} on {server}"


@asynccontextmanager
async def connected(url: str, application: str = "sysmon-aggregatord") -> AsyncIterator[AsyncConnection]:
    """A connection in autocommit with the settings above; it is closed at once, whatever it was at.

    psycopg.OperationalError or TimeoutError if the server is away, UserError if the address is none.
    """
    try:
        # connect_timeout is each host's, and a resolver that hangs has none.
        async with asyncio.timeout(CONNECTING_SECONDS):
            connection = await AsyncConnection.connect(
                url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name=application,
                tcp_user_timeout=SILENCE_SECONDS * 1000,
            )
    except psycopg.ProgrammingError:
        # What it says may quote the password.
        raise UserError(
            "TIMESCALE_URL is no address of a PostgreSQL; one looks like postgresql://user@host:5432/monitor"
        ) from None
    try:
        await answered(connection, CONNECT_SECONDS, _set(connection))
        yield connection
    finally:
        await connection.close()


async def answered(connection: AsyncConnection, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` on the connection; TimeoutError if it takes longer than `seconds`.

    The connection is broken then, as it is where the caller is cancelled: psycopg would first ask the server to stop,
    and one that hangs keeps it waiting for ten seconds.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            cut_off(connection)
            await asyncio.wait({task}, timeout=CONNECT_SECONDS)
            task.cancel()
            # What it says of its broken connection is of no use.
            await asyncio.gather(task, return_exceptions=True)
    if not done:
        raise TimeoutError(f"it has not answered for {seconds:g} s")
    return task.result()


def cut_off(connection: AsyncConnection) -> None:
    """Make whoever waits on the connection see it broken."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        try:
            handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The other side was faster.
            return


async def edition_of(connection: AsyncConnection) -> Edition:
    """What the server says of itself."""
    row = await (await connection.execute(_EDITION)).fetchone()
    assert row is not None
    version, license_name, extension = row
    return Edition(version.split()[0], extension, license_name == "timescale")


async def _set(connection: AsyncConnection) -> None:
    await connection.execute(_SETTINGS)
