"""However often a client asks for something else: a picture a second at most, and the last that it asked for."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise

import pytest

from sysmonstm.gatewayd import messages
from sysmonstm.gatewayd.client import PICTURE_SECONDS
from tests.gatewayd.fleet_publisher import FleetPublisher
from tests.gatewayd.running_gateway import RunningGateway


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each snapshot was encoded; monotonic, in seconds."""
    made: list[float] = []
    encode = messages.encode

    def noting(text: str) -> bytes:
        if text.startswith('{"type":"snapshot"'):
            made.append(time.monotonic())
        return encode(text)

    monkeypatch.setattr(messages, "encode", noting)
    return made


async def test_of_many_wishes_the_newest_is_met_and_few_are_pictured(
    gateway: RunningGateway, publisher: FleetPublisher, pictures: list[float]
) -> None:
    for number in range(10):
        publisher.show(f"web{number}", [1, 2, 3, 4])
    await gateway.knows(*(f"web{number}" for number in range(10)))
    async with gateway.watch() as watcher:
        for number in range(60):
            await watcher.ws.send_json({"type": "subscribe", "machines": [f"web{number % 10}"], "metrics": None})
        await watcher.ws.send_json({"type": "subscribe", "machines": ["web3"], "metrics": []})
        while (snapshot := await watcher.next_of("snapshot"))["metrics"] != []:
            pass
        assert [one["machine"] for one in snapshot["machines"]] == ["web3"]
        assert all(later - earlier > 0.99 * PICTURE_SECONDS for earlier, later in pairwise(pictures))
        # Some between show that it is not kept waiting for as long as it goes on.
        assert 2 < len(pictures) < 10
        publisher.sample("web3", [5, 6, 7, 8])
        assert (await watcher.next_of("frames"))["frames"][0]["machine"] == "web3"


async def test_a_wish_after_a_quiet_second_is_met_at_once_and_meanwhile_nothing_is_missed(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    publisher.show("web2", [1, 2, 3, 4])
    await gateway.knows("web1", "web2")
    async with gateway.watch("?machines=web1") as watcher:
        await watcher.next_of("snapshot")
        (client,) = gateway.gateway.hub.clients
        await watcher.ws.send_str(json.dumps({"type": "subscribe", "machines": ["web2"]}))
        while not client.snapshot_due:
            await asyncio.sleep(0.01)
        # The picture is due and not yet sent: what happens now is in it, or comes after it.
        publisher.sample("web2", [7, 7, 7, 7])
        publisher.event({"id": 7})
        snapshot = await watcher.next_of("snapshot")
        assert [one["values"] for one in snapshot["machines"]] == [[7, 7, 7, 7]]
        assert (await watcher.next_of("event"))["event"] == {"id": 7}
        assert client.picture_in(client.pictured_at + PICTURE_SECONDS) == 0.0
