"""A running gateway, and what it reads from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.gatewayd.fleet_publisher import FleetPublisher, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway, in_own_task, serving


@pytest.fixture
def publisher(redis_url: str) -> Iterator[FleetPublisher]:
    """Publishes to the gateway's Redis."""
    publisher = FleetPublisher(redis_url)
    yield publisher
    publisher.close()


@pytest.fixture
def writer(database_url: str) -> Iterator[HistoryWriter]:
    """Writes to the gateway's PostgreSQL."""
    writer = HistoryWriter(database_url)
    yield writer
    writer.close()


@pytest.fixture
async def gateway(redis_url: str, database_url: str) -> AsyncIterator[RunningGateway]:
    """A gateway that has read its (empty) Redis."""
    async with in_own_task(lambda: serving(redis_url, database_url)) as running:
        await running.live()
        yield running
