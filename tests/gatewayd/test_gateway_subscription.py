"""Who asks for some metrics is shown reduced layouts; who asks for nonsense is told so."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sysmonstm.gatewayd.subscription import MAX_MACHINES, MAX_METRICS, Subscription, from_message, from_query
from sysmonstm.metric import Layout, Series
from tests.gatewayd.fleet_publisher import CORE, CPU, DISK, LAYOUT, OTHER_LAYOUT, FleetPublisher
from tests.gatewayd.running_gateway import RunningGateway, until


def named(series: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(one["metric"], one["instance"]) for one in series]


THIRD_LAYOUT = Layout((Series(CPU), Series(DISK, "/home"), Series(CORE, "0")))
CPU_AND_DISKS = ["filesystem.percent", "cpu.percent", "not.there"]


async def test_metrics_reduce_every_layout_and_keep_its_order(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [12.5, 1, 2, math.nan])
    publisher.show("web2", [5, 6, 7, 8], OTHER_LAYOUT)
    await gateway.knows("web1", "web2")
    async with gateway.watch() as watcher:
        assert (await watcher.next_of("snapshot"))["metrics"] is None
        snapshot = await watcher.subscribe(None, CPU_AND_DISKS)
        assert snapshot["metrics"] == sorted(CPU_AND_DISKS)
        web1, web2 = snapshot["machines"]
        assert web1["layout"] != web2["layout"]
        assert not snapshot["layouts"].keys() & {LAYOUT.id.hex(), OTHER_LAYOUT.id.hex()}
        assert named(snapshot["layouts"][web1["layout"]]) == [("cpu.percent", ""), ("filesystem.percent", "/")]
        assert named(snapshot["layouts"][web2["layout"]]) == [
            ("filesystem.percent", "/"),
            ("filesystem.percent", "/srv"),
            ("cpu.percent", ""),
        ]
        assert (web1["values"], web2["values"]) == ([12.5, None], [6, 7, 8])
        assert web1["received"] and web1["interval_seconds"] == 5.0
        publisher.sample("web2", [1, 2, 3, 4], OTHER_LAYOUT)
        (frame,) = (await watcher.next())["frames"]
        assert (frame["layout"], frame["values"]) == (web2["layout"], [2, 3, 4])


async def test_layouts_that_differ_only_in_what_nobody_asked_for_are_one(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    publisher.show("web2", [5, 6, 7, 8], OTHER_LAYOUT)
    await gateway.knows("web1", "web2")
    async with gateway.watch() as watcher:
        await watcher.next_of("snapshot")
        snapshot = await watcher.subscribe(None, ["cpu.percent"])
        assert [one["values"] for one in snapshot["machines"]] == [[1], [8]]
        assert len(snapshot["layouts"]) == 1
        # No new layout is told: what is shown of it is known.
        publisher.sample("web1", [5, 6, 7, 9], OTHER_LAYOUT)
        (frame,) = (await watcher.next())["frames"]
        assert frame["values"] == [9]


async def test_a_layout_that_changes_is_told_before_its_samples(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    await gateway.knows("web1")
    async with gateway.watch("?metrics=filesystem.percent") as watcher:
        assert (await watcher.next())["machines"][0]["values"] == [4]
        publisher.publish([publisher.frame("web1", [5, 6, 7, 8], OTHER_LAYOUT)], layouts=[OTHER_LAYOUT])
        layout = await watcher.next()
        assert (layout["type"], named(layout["series"])) == (
            "layout",
            [("filesystem.percent", "/"), ("filesystem.percent", "/srv")],
        )
        (frame,) = (await watcher.next())["frames"]
        assert (frame["layout"], frame["values"]) == (layout["id"], [6, 7])
        # A machine that comes with a layout that was not shown yet.
        publisher.show("new", [1, 2, 3], THIRD_LAYOUT)
        layout, machine = await watcher.next(), await watcher.next()
        assert (layout["type"], machine["type"]) == ("layout", "machine")
        assert (machine["layout"], machine["values"]) == (layout["id"], [2])


async def test_metrics_that_are_all_there_are_change_nothing(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    await gateway.knows("web1")
    async with gateway.watch("?metrics=cpu.percent,cpu.core_percent,filesystem.percent") as watcher:
        snapshot = await watcher.next()
        assert list(snapshot["layouts"]) == [LAYOUT.id.hex()]
        assert (await watcher.subscribe(None, []))["machines"][0]["values"] == []
        assert (await watcher.subscribe(None, None))["machines"][0]["values"] == [1, 2, 3, 4]


async def test_the_address_says_what_the_first_snapshot_holds(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    for name in ("web1", "web2"):
        publisher.show(name, [1, 2, 3, 4])
    await gateway.knows("web1", "web2")
    async with gateway.watch("?machines=web2,gone&metrics=cpu.percent") as watcher:
        snapshot = await watcher.next()
        assert [(one["machine"], one["values"]) for one in snapshot["machines"]] == [("web2", [1])]
        publisher.sample("web1", [5, 5, 5, 5])
        publisher.sample("web2", [6, 6, 6, 6])
        assert (await watcher.next())["frames"][0]["values"] == [6]


@pytest.mark.parametrize(
    "query",
    [
        "metrics=cpu",
        "metrics=cpu.percent,,",
        "metric=cpu.percent",
        "machines=a&machine=b",
        "metrics=a.b&metrics=a.b",
        "machines=a&machines=",
    ],
)
async def test_an_address_that_asks_for_nonsense_is_a_problem(gateway: RunningGateway, query: str) -> None:
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    problem = await gateway.get(f"/ws?{query}", 400, **handshake, **{"Sec-WebSocket-Key": "x" * 22 + "=="})
    assert problem["detail"]
    assert not gateway.gateway.hub.clients


def ask(**members: Any) -> str:
    return json.dumps({"type": "subscribe", **members})


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (ask(metrics={}), '"metrics" is a list'),
        (ask(metrics=[None]), '"metrics" is a list'),
        (ask(metrics=["cpu.percent", "<script>.x"]), "cannot be one"),
        (ask(metrics=["a.b\n"]), "cannot be one"),
        (ask(metrics=["x" * 60000]), "cannot be one"),
        (ask(metrics=["cpu.percent"] * (MAX_METRICS + 1)), f"at most {MAX_METRICS}"),
        (ask(machines=["a"] * (MAX_MACHINES + 1)), f"at most {MAX_MACHINES}"),
        (ask(machines=True), '"machines" is a list'),
    ],
)
def test_a_hostile_subscription_is_refused_in_a_short_sentence(text: str, about: str) -> None:
    with pytest.raises(ValueError, match=about) as refused:
        from_message(text)
    assert len(str(refused.value)) < 700


def test_what_is_asked_for_may_be_left_out_and_order_does_not_matter() -> None:
    assert from_message(ask()) == from_message(ask(machines=None, metrics=None)) == Subscription()
    assert from_message(ask(machines=["b", "a", "a"], metrics=["x.y"])) == Subscription(
        frozenset({"a", "b"}), frozenset({"x.y"})
    )
    assert from_query({}) == Subscription()
    assert from_query({"metrics": "", "machines": ""}) == Subscription(frozenset(), frozenset())


async def test_a_refused_subscription_leaves_the_one_before(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    await gateway.knows("web1")
    async with gateway.watch("?metrics=cpu.percent") as watcher:
        await watcher.next_of("snapshot")
        await watcher.ws.send_str(ask(metrics=["no"]))
        assert (await watcher.next())["type"] == "error"
        publisher.sample("web1", [9, 2, 3, 4])
        assert (await watcher.next_of("frames"))["frames"][0]["values"] == [9]
    await until(lambda: not len(gateway.gateway.hub.channels))
