"""Fixtures for tests that play systemd."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sysmonstm.ctl import servers
from tests.shared.real_server import RealServer
from tests.units.played_systemd import PlayedSystemd, Unit, played, tcp_socket

WATCHDOG_SECONDS = 2.0

StartsAggregatord = Callable[..., PlayedSystemd]


@contextmanager
def sampling(directory: Path, listener: socket.socket) -> Iterator[PlayedSystemd]:
    """A real collector that sends to what listens there, five times a second."""
    host, port = listener.getsockname()
    settings = {
        "COLLECTOR_AGGREGATOR_URL": f"{host}:{port}",
        "COLLECTOR_COLLECTION_INTERVAL": "0.2",
        "COLLECTOR_SPOOL_DIRECTORY": str(directory / "spool"),
        "COLLECTOR_SPOOL_FREE_BYTES": "0",
    }
    with played(directory, Unit("collectord", settings)) as collector:
        yield collector


@pytest.fixture
def own_postgres(server_directory: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A PostgreSQL of the test's own."""
    with RealServer(servers.postgres, server_directory / tmp_path.name) as server:
        yield server


@pytest.fixture
def own_redis(server_directory: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A Redis of the test's own."""
    with RealServer(servers.redis, server_directory / tmp_path.name) as server:
        yield server


@pytest.fixture
def aggregatord(tmp_path: Path, redis_url: str, database_url: str) -> Iterator[StartsAggregatord]:
    """Makes units of sysmon-aggregatord on stores of the test's own; `ready=False` leaves starting to the test."""
    with ExitStack() as opened:

        def make(*, ready: bool = True, settings: dict[str, str] | None = None, **more: object) -> PlayedSystemd:
            stores = {"REDIS_URL": redis_url, "TIMESCALE_URL": database_url}
            said: dict[str, object] = {"sockets": {"ingest": [tcp_socket()]}, "watchdog_seconds": WATCHDOG_SECONDS}
            unit = Unit("aggregatord", stores | (settings or {}), **(said | more))  # type: ignore[arg-type]
            systemd = opened.enter_context(PlayedSystemd(tmp_path, unit))
            if ready:
                systemd.start()
                systemd.is_ready()
            return systemd

        yield make
