"""Real parts for tests: a Redis and a PostgreSQL of their own, from PATH, from the wheels, or at an address given.

SYSMON_TEST_REDIS_URL and SYSMON_TEST_DATABASE_URL name servers that are there already; the tests flush the one and
make and drop databases on the other.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.ctl import servers

REQUIRE_ALL = os.environ.get("SYSMON_TEST_REQUIRE_ALL") == "1"


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Where every prerequisite is required, a skip is a failure."""
    if REQUIRE_ALL and call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        reason = call.excinfo.value
        call.excinfo = pytest.ExceptionInfo.from_exception(
            AssertionError(f"{item.nodeid} was skipped where nothing may be: {reason}")
        )


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A short path, for unix sockets, that PostgreSQL's unprivileged user can reach."""
    with tempfile.TemporaryDirectory(prefix="sysmon-test-", dir="/var/tmp") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def redis_server(server_directory: Path) -> Iterator[str]:
    """Address of a real Redis for this run."""
    if given := os.environ.get("SYSMON_TEST_REDIS_URL"):
        yield given
        return
    with servers.redis(server_directory) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_server(server_directory: Path) -> Iterator[str]:
    """Address of a real PostgreSQL for this run, as a user who may create databases."""
    if given := os.environ.get("SYSMON_TEST_DATABASE_URL"):
        yield given
        return
    with servers.postgres(server_directory) as server:
        yield server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Address of an empty Redis."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@contextmanager
def _database(server: str, template: str | None) -> Iterator[tuple[str, str]]:
    """Make a database, yield its name and address, drop it."""
    name = f"test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as connection:
        source = sql.Identifier(template or "template0")
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, source))
        try:
            yield name, make_conninfo(server, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> Iterator[str]:
    """Name of a database with the product's schema, to be cloned."""
    with _database(postgres_server, template=None) as (name, address):
        asyncio.run(_migrate(address))
        _shut(postgres_server, name)
        yield name


def _shut(server: str, name: str) -> None:
    """Leave nobody in a database, or it could not be cloned: TimescaleDB has a worker of its own in each."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,))


async def _migrate(address: str) -> None:
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await migrate(connection)


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """Address of a database with nothing in it."""
    with _database(postgres_server, template=None) as (_, address):
        yield address


@pytest.fixture
def database_url(postgres_server: str, template_database: str) -> Iterator[str]:
    """Address of a database of this test's own, with the product's schema."""
    with _database(postgres_server, template=template_database) as (_, address):
        yield address
