"""Real parts for tests: a Redis and a PostgreSQL of their own, from PATH, from the wheels, or at an address given.

SYSMON_TEST_REDIS_URL and SYSMON_TEST_DATABASE_URL name servers that are there already; the tests flush the one and
make and drop databases on the other. Of several PostgreSQL one with TimescaleDB comes first, as everywhere.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.ctl import binaries, servers
from tests import figures
from tests.editions import PLAIN, TIMESCALEDB

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

REQUIRE_ALL = os.environ.get("SYSMON_TEST_REQUIRE_ALL") == "1"

# Read when gRPC begins. Its fork handlers would start threads in what the tests fork to run servers, which then falls
# over the descriptors that are closed before exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# What a shell starts in the background is deaf to Ctrl-C, with all that it starts: some tests would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of tests/faults. They are here because pytest asks for options before it looks into folders."""
    group = parser.getgroup("faults")
    group.addoption("--fault-seed", type=int, default=secrets.randbelow(2**31), help="gives the same faults again")
    group.addoption("--fault-seconds", type=float, default=3.0, help="for how long each scenario lets faults strike")


def pytest_report_header(config: pytest.Config) -> str:
    """What a run of tests/faults can be done again by."""
    seed, seconds = config.getoption("--fault-seed"), config.getoption("--fault-seconds")
    return f"faults: --fault-seed={seed} --fault-seconds={seconds:g}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Where several processes share the work, have each file in one of them, and the machines of all in one."""
    from tests.sharing import FilesAndMachines

    return FilesAndMachines(config, log)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Where every prerequisite is required, a skip is a failure, but for what CI cannot be given."""
    if item.get_closest_marker("elsewhere"):
        return
    if REQUIRE_ALL and call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        reason = call.excinfo.value
        call.excinfo = pytest.ExceptionInfo.from_exception(
            AssertionError(f"{item.nodeid} was skipped where nothing may be: {reason}")
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests have measured."""
    stats = terminalreporter.stats
    if lines := figures.told([*stats.get("passed", []), *stats.get("failed", [])]):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(name="figures")
def figures_of_test(request: pytest.FixtureRequest) -> figures.Figures:
    """Takes lines that are shown at the end of the run."""
    return figures.of_test(request.node)


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
        _never_sync(server.url)
        yield server.url


@pytest.fixture(scope="session")
def plain_postgres_server(server_directory: Path) -> Iterator[str]:
    """Address of a real PostgreSQL for this run that has no TimescaleDB, or does not load it."""
    found = sorted(binaries.postgres_installations(), key=lambda one: one.timescaledb is not None)
    plain = [replace(one, timescaledb=None) for one in found]
    with servers.postgres(server_directory / "plain", installations=plain) as server:
        _never_sync(server.url)
        yield server.url


def _never_sync(server: str) -> None:
    """Spare each test a second of waiting for the disk: what only the machine's own end could lose, ends with it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def edition(request: pytest.FixtureRequest) -> str | None:
    """Which edition of PostgreSQL the test's databases are on; None is whichever is preferred here."""
    return getattr(request, "param", None)


@pytest.fixture
def edition_server(edition: str | None, request: pytest.FixtureRequest) -> str:
    """Address of the server that the test's databases are on."""
    if edition == PLAIN:
        return str(request.getfixturevalue("plain_postgres_server"))
    server = str(request.getfixturevalue("postgres_server"))
    if edition == TIMESCALEDB and not _has_timescaledb(server):
        pytest.skip("no PostgreSQL with TimescaleDB; on Debian 12 and 13, as root: PATH=$(.ci/timescaledb):$PATH")
    return server


def _has_timescaledb(server: str) -> bool:
    with psycopg.connect(server) as connection:
        row = connection.execute("SELECT current_setting('timescaledb.license', true) IS NOT NULL").fetchone()
    return row == (True,)


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
    with _template(postgres_server) as name:
        yield name


@pytest.fixture(scope="session")
def plain_template_database(plain_postgres_server: str) -> Iterator[str]:
    """The same on the plain PostgreSQL."""
    with _template(plain_postgres_server) as name:
        yield name


@contextmanager
def _template(server: str) -> Iterator[str]:
    with _database(server, template=None) as (name, address):
        asyncio.run(_migrate(address))
        _shut(server, name)
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
def empty_database_url(edition_server: str) -> Iterator[str]:
    """Address of a database with nothing in it."""
    with _database(edition_server, template=None) as (_, address):
        yield address


@pytest.fixture
def database_url(edition: str | None, edition_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a database of this test's own, with the product's schema."""
    template = request.getfixturevalue("plain_template_database" if edition == PLAIN else "template_database")
    with _database(edition_server, template) as (_, address):
        yield address
