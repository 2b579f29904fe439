"""A database for people's questions."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.gatewayd.fleet_publisher import HistoryWriter


@pytest.fixture
def writer(database_url: str) -> Iterator[HistoryWriter]:
    """Writes rows as aggregators do."""
    writer = HistoryWriter(database_url)
    yield writer
    writer.close()


@pytest.fixture
def connection(writer: HistoryWriter) -> psycopg.Connection:
    """A person's own; in autocommit."""
    return writer.connection
