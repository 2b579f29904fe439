"""A machine that people had forgotten leaves the gateway, and browsers are told."""

from __future__ import annotations

from tests.gatewayd.fleet_publisher import FleetPublisher
from tests.gatewayd.running_gateway import RunningGateway, until
from tests.gatewayd.wall import Wall, drain


async def test_it_is_gone_and_every_browser_is_told_whatever_it_subscribed_to(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    for name in ("old", "kept"):
        publisher.show(name, [1, 2, 3, 4])
    await gateway.knows("old", "kept")
    async with gateway.watch() as everything, gateway.watch() as other:
        await everything.next_of("snapshot")
        await other.subscribe(["kept"])
        publisher.publish(forgotten=["old"])
        for watcher in (everything, other):
            assert await watcher.next_of("forgotten") == {"type": "forgotten", "machines": ["old"]}
        answer = await gateway.get("/api/machines")
        assert [one["machine"] for one in answer["machines"]] == ["kept"]
        await gateway.get("/api/machines/old/metrics", 404)
        snapshot = await everything.subscribe(None)
        assert [one["machine"] for one in snapshot["machines"]] == ["kept"]


async def test_it_comes_back_as_a_new_machine(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [1, 2, 3, 4], os="before")
    await gateway.knows("web1")
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        # In one publish: it was forgotten, and has called again.
        publisher.publish(hellos=[publisher.hello("web1", os="after")], forgotten=["web1"])
        assert (await watcher.next_of("forgotten"))["machines"] == ["web1"]
        machine = await watcher.next_of("machine")
        assert (machine["facts"], machine["state"], machine["values"]) == ({"os": "after"}, "waiting", None)
        publisher.sample("web1", [5, 6, 7, 8])
        assert (await watcher.next_of("frames"))["frames"][0]["values"] == [5, 6, 7, 8]


def test_what_was_yet_to_be_told_of_it_is_not_told() -> None:
    wall = Wall("old", "kept")
    client, line = wall.browser()
    line.full = True
    wall.samples({"old": 1.0, "kept": 1.0})  # by this it is behind
    line.take()
    wall.hello("old", os="NixOS")
    wall.samples({"old": 2.0, "kept": 2.0})
    wall.forget("old")
    assert list(client.notices) == [("forgotten", "old")]
    drain(client, line)
    forgotten, frames = line.take()
    assert forgotten == {"type": "forgotten", "machines": ["old"]}
    assert [one["machine"] for one in frames["frames"]] == ["kept"]


def test_who_waits_for_a_picture_of_other_machines_is_told_of_it_all_the_same() -> None:
    wall = Wall("old", "kept", "fickle")
    client, line = wall.browser()
    line.take()
    wall.hub.heed(client, '{"type":"subscribe","machines":["kept"]}')
    assert client.snapshot_due
    for name in ("old", "fickle"):
        wall.forget(name)
    wall.hello("fickle")
    # The fleet may be read anew in between as well.
    wall.hub._renew()
    drain(client, line)
    snapshot, forgotten = line.take()
    assert [one["machine"] for one in snapshot["machines"]] == ["kept"]
    assert forgotten == {"type": "forgotten", "machines": ["old"]}


def test_it_is_told_in_order_however_often_it_comes_and_goes() -> None:
    wall = Wall("kept")
    client, _ = wall.browser()
    client.behind = True
    for _ in range(2):
        wall.forget("old")
        wall.hello("old")
    assert list(client.notices) == [("forgotten", "old"), ("machine", "old")]
    wall.forget("old")
    assert list(client.notices) == [("forgotten", "old")]


async def test_how_far_its_clock_is_off_is_shown(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    publisher.publish(hellos=[publisher.hello("new")])
    frame = publisher.frame("web1", [1, 2, 3, 4])
    frame.skew_us = -90_500_000
    publisher.publish([frame])
    await gateway.knows("web1")
    machines = gateway.gateway.hub.fleet.machines
    await until(lambda: bool((shown := machines["web1"].frame) and shown.skew_us))
    answer = await gateway.get("/api/machines")
    assert {one["machine"]: one["skew_seconds"] for one in answer["machines"]} == {"new": None, "web1": -90.5}
