"""/ws: a snapshot, then changes."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path

import pytest
from aiohttp import WSCloseCode, WSMsgType

from sysmonstm.ctl import servers
from sysmonstm.gatewayd import live, websocket
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.subscription import EVERYTHING
from sysmonstm.service import Service
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, FleetPublisher, now_us
from tests.gatewayd.recording_line import RecordingLine
from tests.gatewayd.running_gateway import RunningGateway, serving, until


async def test_a_client_gets_the_whole_fleet_and_then_each_sample(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [12.3, math.nan, 3, 40.1], os="NixOS")
    await gateway.knows("web1")
    async with gateway.watch() as watcher:
        snapshot = await watcher.next()
        assert (snapshot["type"], snapshot["live"]) == ("snapshot", True)
        assert snapshot["layouts"][LAYOUT.id.hex()][1] == {
            "metric": "cpu.core_percent",
            "instance": "0",
            "unit": "percent",
            "kind": "rate",
            "instance_label": "core",
        }
        (machine,) = snapshot["machines"]
        assert (machine["machine"], machine["state"], machine["facts"]) == ("web1", "up", {"os": "NixOS"})
        assert (machine["interval_seconds"], machine["agent_version"]) == (5.0, "0.1.0")
        assert machine["layout"] == LAYOUT.id.hex()
        assert machine["values"] == [12.3, None, 3, 40.1]
        publisher.sample("web1", [1, 2, 3, math.nan])
        frames = await watcher.next()
        (frame,) = frames["frames"]
        assert (frame["machine"], frame["layout"], frame["values"]) == ("web1", LAYOUT.id.hex(), [1, 2, 3, None])
        assert frame["time"] > machine["time"]
        assert frame["received"] > machine["received"] > time.time() - 60


async def test_a_new_machine_and_a_new_layout_are_named_before_they_are_used(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    async with gateway.watch() as watcher:
        assert (await watcher.next())["machines"] == []
        publisher.publish(hellos=[publisher.hello("web1")])
        new = await watcher.next()
        assert (new["type"], new["machine"], new["state"]) == ("machine", "web1", "waiting")
        assert (new["time"], new["received"], new["layout"], new["values"]) == (None, None, None, None)
        publisher.publish([publisher.frame("web1", [1, 2, 3, 4])], layouts=[LAYOUT])
        kinds = [(await watcher.next()) for _ in range(3)]
        assert [one["type"] for one in kinds] == ["state", "layout", "frames"]
        assert (kinds[0]["state"], kinds[1]["id"], len(kinds[1]["series"])) == ("up", LAYOUT.id.hex(), 4)
        publisher.publish([publisher.frame("web1", [5, 6, 7, 8], OTHER_LAYOUT)], layouts=[OTHER_LAYOUT])
        assert (await watcher.next())["id"] == OTHER_LAYOUT.id.hex()
        assert (await watcher.next())["frames"][0]["layout"] == OTHER_LAYOUT.id.hex()
        # Both are known now.
        publisher.sample("web1", [1, 2, 3, 4], LAYOUT)
        assert (await watcher.next())["type"] == "frames"


async def test_a_machine_that_says_hello_anew_is_shown_anew(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [1, 2, 3, 4], kernel="6.1")
    await gateway.knows("web1")
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        anew = publisher.hello("web1", kernel="6.12")
        anew.tags.extend(["web", "prod"])
        publisher.publish(hellos=[anew])
        again = await watcher.next()
        assert (again["type"], again["facts"], again["values"]) == ("machine", {"kernel": "6.12"}, [1, 2, 3, 4])
        assert again["tags"] == ["web", "prod"]


async def test_a_client_gets_only_the_machines_that_it_asks_for(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    publisher.show("web2", [5, 6, 7, 8], OTHER_LAYOUT)
    await gateway.knows("web1", "web2")
    async with gateway.watch() as watcher:
        assert len((await watcher.next())["machines"]) == 2
        snapshot = await watcher.subscribe(["web2", "not there"])
        assert [one["machine"] for one in snapshot["machines"]] == ["web2"]
        assert list(snapshot["layouts"]) == [OTHER_LAYOUT.id.hex()]
        publisher.show("web3", [1, 2, 3, 4])
        publisher.sample("web1", [9, 9, 9, 9])
        publisher.sample("web2", [8, 8, 8, 8], OTHER_LAYOUT)
        (frame,) = (await watcher.next())["frames"]
        assert (frame["machine"], frame["values"]) == ("web2", [8, 8, 8, 8])
        snapshot = await watcher.subscribe(None)
        assert [one["machine"] for one in snapshot["machines"]] == ["web1", "web2", "web3"]


async def test_a_machine_that_falls_silent_is_told_without_a_sample(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    hello = publisher.hello("web1")
    nearly_silent = publisher.frame("web1", [1, 2, 3, 4], received_us=now_us() - 14_000_000)
    publisher.publish([nearly_silent], [hello], [LAYOUT])
    await gateway.knows("web1")
    async with gateway.watch() as watcher:
        assert (await watcher.next())["machines"][0]["state"] == "up"
        assert await watcher.next() == {"type": "state", "machine": "web1", "state": "silent"}
        publisher.sample("web1", [1, 2, 3, 4])
        assert await watcher.next() == {"type": "state", "machine": "web1", "state": "up"}
        assert (await watcher.next())["type"] == "frames"


async def test_events_are_passed_on_as_they_are(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    event = {"id": 7, "time": 1.5, "kind": "machine.new", "machine": "<b>", "message": "é\n", "fields": {"n": 1}}
    async with gateway.watch() as watcher:
        await watcher.subscribe(["web1"])
        publisher.event(event)
        assert await watcher.next_of("event") == {"type": "event", "event": event}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "[]",
        "{}",
        '{"type":"shout"}',
        '{"type":"subscribe","machines":"web1"}',
        "[" * 60000,
        "NaN",
        '{"type":"subscribe","machines":[1]}',
        '{"type":"subscribe","machines":{"web1":1}}',
        '{"type":"subscribe","metrics":"cpu.percent"}',
        '{"type":"subscribe","metrics":["cpu"]}',
        '"\\ud800"',
    ],
)
async def test_nonsense_is_answered_and_the_client_stays(
    gateway: RunningGateway, publisher: FleetPublisher, text: str
) -> None:
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        await watcher.ws.send_str(text)
        assert (await watcher.next())["type"] == "error"
        assert (await watcher.subscribe(None))["machines"] == []


@pytest.mark.parametrize(
    ("binary", "size", "code"),
    [(True, 3, WSCloseCode.UNSUPPORTED_DATA), (False, 70_000, WSCloseCode.MESSAGE_TOO_BIG)],
)
async def test_what_is_no_text_or_too_long_ends_the_connection(
    gateway: RunningGateway, binary: bool, size: int, code: WSCloseCode
) -> None:
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        await (watcher.ws.send_bytes(b"x" * size) if binary else watcher.ws.send_str("x" * size))
        assert (await watcher.ws.receive(timeout=10)).type is WSMsgType.CLOSE
        assert watcher.ws.close_code == code
    await until(lambda: not gateway.gateway.hub.clients)


async def test_browsers_are_told_that_the_gateway_goes_away(redis_url: str, database_url: str) -> None:
    async with serving(redis_url, database_url) as running, running.watch() as watcher:
        await watcher.next_of("snapshot")
        closing = asyncio.create_task(running.server.close())
        received = await watcher.ws.receive(timeout=10)
        assert (received.type, received.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)
        await closing


async def test_one_more_browser_than_there_may_be_is_a_problem(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_CLIENTS", 1)
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        problem = await gateway.get("/ws", 503, **handshake, **{"Sec-WebSocket-Key": "x" * 22 + "=="})
        assert "1 browsers" in problem["detail"]


async def test_redis_that_goes_away_and_comes_back_is_said_and_a_snapshot_follows(
    server_directory: Path, database_url: str
) -> None:
    state = server_directory / "away"
    state.mkdir()
    with servers.redis(state) as server:
        url = server.url
        running_context = serving(url, database_url)
        running = await running_context.__aenter__()
        await running.live()
        publisher = FleetPublisher(url)
        publisher.show("web1", [1, 2, 3, 4])
        await running.knows("web1")
        watcher_context = running.watch()
        watcher = await watcher_context.__aenter__()
        await watcher.next_of("snapshot")
    try:
        gone = await watcher.next()
        assert (gone["type"], gone["live"]) == ("live", False)
        assert gone["reason"] == "Redis does not answer"
        (machine,) = (await running.get("/api/machines"))["machines"]
        assert (machine["machine"], machine["state"]) == ("web1", "up")
        async with running.watch() as late:
            snapshot = await late.next()
            assert (snapshot["live"], snapshot["machines"][0]["values"]) == (False, [1, 2, 3, 4])
            assert snapshot["reason"] == "Redis does not answer"
        with servers.redis(state) as server:
            again = FleetPublisher(server.url)
            again.show("web2", [5, 6, 7, 8])
            snapshot = await watcher.next_of("snapshot")
            assert (snapshot["live"], [one["machine"] for one in snapshot["machines"]]) == (True, ["web2"])
    finally:
        await watcher_context.__aexit__(None, None, None)
        await running_context.__aexit__(None, None, None)


async def test_every_client_hears_a_beat_and_one_that_takes_nothing_has_only_one_waiting(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CLIENT_BEAT_SECONDS", 0.01)
    hub = gateway.gateway.hub
    async with asyncio.TaskGroup() as group, gateway.watch() as watcher:
        client = Client(RecordingLine(), hub.counts)
        hub.join(client, EVERYTHING)
        beating = group.create_task(hub.beat(Service()))
        while (beat := await watcher.next_of_any())["type"] != "beat":
            pass
        assert beat.keys() == {"type", "time"} and abs(beat["time"] - time.time()) < 60
        while (await watcher.next_of_any())["time"] == beat["time"]:
            pass
        assert [kind for kind, _ in client.notices] == ["beat"]
        hub.leave(client)
        beating.cancel()


def test_the_status_line_counts_machines_and_browsers() -> None:
    hub = Hub(Counts())
    assert hub.status() == "0 machines, 0 browsers"
    client = Client(RecordingLine(), hub.counts)
    hub.join(client, EVERYTHING)
    assert hub.status() == "0 machines, 1 browser"
    hub.leave(client)
    assert hub.status() == "0 machines, 0 browsers"
