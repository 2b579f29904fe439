"""Everything that the gateway asks PostgreSQL; it only ever reads.

A query that the server does not answer in time is cut off at the socket: to be cancelled it would need the server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sysmonstm.config import UserError
from sysmonstm.gatewayd.buckets import Buckets
from sysmonstm.gatewayd.parameters import HistoryRequest

STATEMENT_SECONDS = 5.0
# Only a server that hangs lets a statement take longer than its own limit.
HANGING_SECONDS = 7.0
CONNECT_SECONDS = 2.0
POOL_SIZE = 4

MACHINE = "SELECT id, interval_seconds FROM machines WHERE name = %s"

METRIC_IDS = "SELECT id FROM metrics WHERE name = %s"

# A series keeps its name while its place changes from layout to layout. OFFSET 0 takes the value out of the array
# before rows are sorted; without it whole arrays are.
HISTORY = """
SELECT date_bin(%(step)s, f.time, %(start)s) AS bucket, s.instance, max(s.metric),
    min(reading.value), avg(reading.value), max(reading.value)
FROM frames f
JOIN series s ON s.layout = f.layout AND s.metric = ANY(%(metrics)s::integer[])
    AND (%(instance)s::text IS NULL OR s.instance = %(instance)s)
CROSS JOIN LATERAL (SELECT NULLIF(f.values[s.position], 'NaN'::real) AS value OFFSET 0) reading
WHERE f.machine = %(machine)s AND f.time >= %(from)s AND f.time < %(to)s
GROUP BY bucket, s.instance
"""

NEWEST_METRIC = """
SELECT max(s.metric) FROM series s
WHERE s.metric = ANY(%(metrics)s::integer[])
    AND s.layout = (SELECT layout FROM frames WHERE machine = %(machine)s ORDER BY time DESC LIMIT 1)
"""

METRIC = "SELECT unit, kind FROM metrics WHERE id = %s"

EVENTS = """
SELECT id, time, kind, severity, machine, message, fields FROM events
WHERE (%(before)s::bigint IS NULL OR id < %(before)s)
    AND (%(machine)s::text IS NULL OR machine = %(machine)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY id DESC LIMIT %(limit)s
"""

ALERTS = """
SELECT rule, severity, state, machine, metric, instance, value, threshold, since, message FROM alert_states
ORDER BY state, since DESC, rule, machine, instance
"""

SERVER = """
SELECT current_setting('server_version'), current_setting('timescaledb.license', true),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    to_regclass('schema_migrations') IS NOT NULL
"""

SCHEMA_VERSION = "SELECT coalesce(max(version), 0) FROM schema_migrations"


class DatabaseError(Exception):
    """PostgreSQL has no answer for now; the sentence says why and what may help."""


class Reading(NamedTuple):
    """What one series read within one bucket; None where it read nothing."""

    bucket: datetime
    instance: str
    metric: int
    minimum: float | None
    mean: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine that history knows."""

    id: int
    interval_us: int


@dataclass(frozen=True, slots=True)
class History:
    """What a metric of a machine read, by bucket and instance; its unit and kind as it last declared them."""

    unit: str
    kind: str
    readings: list[Reading]


class EventRow(NamedTuple):
    """Something that happened."""

    id: int
    time: datetime
    kind: str
    severity: str
    machine: str | None
    message: str
    fields: dict[str, object]


class AlertRow(NamedTuple):
    """Something that is wrong now, or may be soon. `threshold` is None for a rule about silence."""

    rule: str
    severity: str
    state: str
    machine: str
    metric: str
    instance: str
    value: float
    threshold: float | None
    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself. `schema` is the newest migration it has; None if it has none."""

    version: str
    timescaledb: str | None
    license: str | None
    schema: int | None


class Database:
    """A small pool of connections, made when they are first needed."""

    def __init__(self, url: str, size: int = POOL_SIZE) -> None:
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

    async def machine(self, name: str) -> MachineRow | None:
        """The machine of this name."""
        async with self._connection() as connection:
            row = await (await connection.execute(MACHINE, (name,))).fetchone()
        return MachineRow(row[0], round(row[1] * 1e6)) if row else None

    async def history(self, machine: MachineRow, request: HistoryRequest, buckets: Buckets) -> History | None:
        """What the machine's metric read in these buckets; None if it has no such metric."""
        async with self._connection() as connection:
            ids = [row[0] for row in await (await connection.execute(METRIC_IDS, (request.metric,))).fetchall()]
            arguments = {
                "machine": machine.id,
                "metrics": ids,
                "instance": request.instance,
                "from": _moment(request.from_us),
                "to": _moment(request.to_us),
                "step": timedelta(microseconds=buckets.step_us),
                "start": _moment(buckets.start_us),
            }
            rows = await (await connection.execute(HISTORY, arguments)).fetchall() if ids else []
            readings = [Reading(*row) for row in rows]
            metric = max((one.metric for one in readings), default=None)
            if metric is None:
                newest = await (await connection.execute(NEWEST_METRIC, arguments)).fetchone()
                metric = newest[0] if newest else None
            row = await (await connection.execute(METRIC, (metric,))).fetchone()
        return History(row[0], row[1], readings) if row else None

    async def events(self, machine: str | None, kind: str | None, before: int | None, limit: int) -> list[EventRow]:
        """The newest events, newest first."""
        arguments = {"machine": machine, "kind": kind, "before": before, "limit": limit}
        async with self._connection() as connection:
            rows = await (await connection.execute(EVENTS, arguments)).fetchall()
        return [EventRow(*row) for row in rows]

    async def alerts(self) -> list[AlertRow]:
        """What fires, then what is pending; the newest first."""
        async with self._connection() as connection:
            rows = await (await connection.execute(ALERTS)).fetchall()
        return [AlertRow(*row) for row in rows]

    async def facts(self) -> ServerFacts:
        """What the server says of itself."""
        async with self._connection() as connection:
            row = await (await connection.execute(SERVER)).fetchone()
            assert row is not None
            version, license_name, extension, has_schema = row
            newest = await (await connection.execute(SCHEMA_VERSION)).fetchone() if has_schema else None
        return ServerFacts(version, extension, license_name, newest[0] if newest else None)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._pool.connection() as connection, _cut_off_after(HANGING_SECONDS, connection):
                yield connection
        except PoolTimeout:
            raise DatabaseError("PostgreSQL is away or all connections to it are busy; try again soon") from None
        except errors.QueryCanceled:
            raise DatabaseError(
                f"PostgreSQL took longer than {STATEMENT_SECONDS:g} s; ask for a shorter range or fewer instances"
            ) from None
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction):
            raise DatabaseError(
                "the database does not have this version's schema; sysmon-aggregatord makes it when it starts"
            ) from None
        except errors.InsufficientPrivilege as error:
            raise DatabaseError(f"the user in TIMESCALE_URL may not read that ({_first_line(error)})") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseError(f"PostgreSQL does not answer ({_first_line(error)}); try again soon") from None


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


async def _check(connection: AsyncConnection) -> None:
    """Raise if a connection from the pool is dead: the server may have restarted since it was used."""
    async with _cut_off_after(CONNECT_SECONDS, connection):
        await connection.execute("")


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
