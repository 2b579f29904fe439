"""Who agrees to permessage-deflate is sent the same as everybody, in fewer bytes."""

from __future__ import annotations

import asyncio
import json

import pytest

from sysmonstm.gatewayd.messages import DEFLATE_BEYOND_BYTES, DEFLATED
from sysmonstm.metric import Layout, Series
from tests.gatewayd.fleet_publisher import CORE, FleetPublisher
from tests.gatewayd.raw_watcher import RawWatcher
from tests.gatewayd.recording_line import messages_of
from tests.gatewayd.running_gateway import RunningGateway

CORES = Layout(tuple(Series(CORE, str(number)) for number in range(500)))
AGREED = "sec-websocket-extensions: permessage-deflate"


async def shown(watcher: RawWatcher, publisher: FleetPublisher) -> tuple[str, list[bytes]]:
    """The handshake's answer, and the frames of a snapshot and of a sample."""
    head = await watcher.handshake()
    frames = [await watcher.frame()]
    publisher.sample("web1", [n / 7 for n in range(500)], CORES)
    frames.append(await watcher.frame())
    return head, frames


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15",
    ],
)
async def test_large_messages_are_deflated_for_who_agreed(
    gateway: RunningGateway, publisher: FleetPublisher, offer: str
) -> None:
    publisher.show("web1", [0.5] * 500, CORES)
    await gateway.knows("web1")
    with await RawWatcher.open(gateway, extensions=offer) as watcher:
        head, frames = await shown(watcher, publisher)
        assert AGREED in head
        assert [frame[0] for frame in frames] == [0x81 | DEFLATED] * 2
        # Each inflates by itself to what was said, and is the shorter for it.
        snapshot, sample = (messages_of(frame)[0] for frame in frames)
        assert (snapshot["type"], snapshot["machines"][0]["values"]) == ("snapshot", [0.5] * 500)
        assert sample["frames"][0]["values"] == pytest.approx([n / 7 for n in range(500)], rel=1e-6)
        for frame, said in zip(frames, (snapshot, sample), strict=True):
            assert len(frame) < 0.7 * len(json.dumps(said, separators=(",", ":")))


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        ("", False),
        ("x-unknown", False),
        ("permessage-deflate; server_max_window_bits=10", True),
        ("permessage-deflate; server_max_window_bits=8", False),
    ],
)
async def test_who_did_not_agree_or_has_a_small_window_is_sent_plain_messages(
    gateway: RunningGateway, publisher: FleetPublisher, offer: str, agreed: bool
) -> None:
    publisher.show("web1", [0.5] * 500, CORES)
    await gateway.knows("web1")
    with await RawWatcher.open(gateway, extensions=offer) as watcher:
        head, frames = await shown(watcher, publisher)
        assert (AGREED in head) is agreed
        assert [frame[0] for frame in frames] == [0x81] * 2
        assert [messages_of(frame)[0]["type"] for frame in frames] == ["snapshot", "frames"]


async def test_small_messages_stay_plain(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [0.5] * 500, CORES)
    await gateway.knows("web1")
    with await RawWatcher.open(gateway, extensions="permessage-deflate") as watcher:
        await watcher.handshake()
        await watcher.frame()
        publisher.event({"id": 1, "text": "x" * (DEFLATE_BEYOND_BYTES // 2)})
        publisher.event({"id": 2, "text": "x" * (DEFLATE_BEYOND_BYTES * 2)})
        first: dict[int, int] = {}
        while len(first) < 2:
            frame = await watcher.frame()
            (message,) = messages_of(frame)
            if message["type"] == "event":
                first[message["event"]["id"]] = frame[0]
        assert first == {1: 0x81, 2: 0x81 | DEFLATED}


async def test_both_are_shown_the_same(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    """By aiohttp's own client, which keeps its context from message to message, and inflates as browsers do."""
    publisher.show("web1", [0.5] * 500, CORES)
    await gateway.knows("web1")
    async with gateway.watch() as plain, gateway.watch(compress=15) as deflated:
        assert (plain.ws.compress, deflated.ws.compress) == (0, 15)
        watchers = (plain, deflated)
        snapshots = [await watcher.next_of("snapshot") for watcher in watchers]
        assert snapshots[0]["machines"][0]["values"] == [0.5] * 500
        assert all(one["machines"] == snapshots[0]["machines"] for one in snapshots)
        for number in range(50):
            publisher.sample("web1", [number + n / 7 for n in range(500)], CORES)
            told = await asyncio.gather(*(watcher.next_of("frames") for watcher in watchers))
            assert told[0] == told[1]
            assert told[0]["frames"][0]["values"][:2] == pytest.approx([number, number + 1 / 7], rel=1e-6)
        # What it says is deflated, too.
        assert (await deflated.subscribe(["web1"], ["cpu.percent"]))["machines"][0]["values"] == []
