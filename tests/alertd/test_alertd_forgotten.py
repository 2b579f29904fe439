"""A machine that people had forgotten: what fires of it ends, its silence is no news, and all of that is told once."""

from __future__ import annotations

from dataclasses import replace

import psycopg

from sysmon.v1 import bus_pb2
from sysmonstm import bus
from sysmonstm.alertd.alerts import Change
from sysmonstm.alertd.rules import Step
from sysmonstm.alertd.store import Store
from tests.alertd.test_alertd_engine import SECOND, START, Hub, said
from tests.gatewayd.fleet_publisher import FleetPublisher
from tests.shared.test_bus import followed


def forget(hub: Hub, machine: str, second: int) -> list[Change]:
    batch = bus_pb2.LiveBatch(forgotten=[machine])
    return hub.engine.take(hub.fleet, hub.fleet.apply(batch), START + second * SECOND)


def hub_with_alerts() -> Hub:
    """web1 has one alert that fires (/) and one that is pending (/srv), web2 one that fires."""
    hub = Hub()
    for second in range(0, 15, 5):
        hub.sample(second, {"/": 95.0, "/srv": 95.0 if second == 10 else 1.0})
        hub.sample(second, {"/": 95.0}, machine="web2")
    assert len(hub.engine.alerts) == 3
    return hub


def test_its_alerts_end_and_those_of_others_stay() -> None:
    hub = hub_with_alerts()
    changes = forget(hub, "web1", 11)
    assert sorted(said(changes), key=str) == [(Step.DROPPED, "web1", "/srv"), (Step.FORGOTTEN, "web1", "/")]
    assert {change.news for change in changes} == {"resolved", None}
    assert [alert.key.machine for alert in hub.engine.alerts] == ["web2"]
    # Not as if all were well.
    assert all("was forgotten" in change.alert.message for change in changes)


def test_its_silence_is_no_news() -> None:
    hub = hub_with_alerts()
    forget(hub, "web1", 11)
    changes = hub.quiet(12, 200)
    assert (Step.FIRED, "web2", "") in said(changes)
    assert [change for change in changes if change.alert.key.machine == "web1"] == []


def test_a_firing_silence_ends_with_the_machine() -> None:
    hub = Hub()
    hub.sample(0, {"/": 1.0})
    hub.quiet(1, 100)
    assert hub.engine.firing == 1
    (change,) = forget(hub, "web1", 101)
    assert (change.step, change.news) == (Step.FORGOTTEN, "resolved")
    assert change.alert.message == "web1: silence is no longer watched: web1 was forgotten"
    assert hub.quiet(102, 300) == []


async def test_that_it_was_forgotten_while_nobody_listened_is_heard_with_the_fleet(redis_url: str) -> None:
    publisher, fleet = FleetPublisher(redis_url), bus.Fleet()
    for name in ("web1", "web3"):
        publisher.show(name, [1, 2, 3, 4])
    publisher.publish(forgotten=["web1"])
    publisher.close()
    hub = hub_with_alerts()
    async with followed(redis_url, fleet) as updates:
        changes = hub.engine.take(fleet, await anext(updates), START + 20 * SECOND)
    assert sorted(said(changes), key=str) == [(Step.DROPPED, "web1", "/srv"), (Step.FORGOTTEN, "web1", "/")]
    # Of web2 Redis says nothing.
    assert [alert.key.machine for alert in hub.engine.alerts] == ["web2"]


def test_one_that_comes_back_begins_anew() -> None:
    hub = hub_with_alerts()
    forget(hub, "web1", 11)
    assert [step for step, *_ in said(hub.sample(15, {"/": 95.0}))] == [Step.STARTED]


async def test_its_end_is_stored_and_told_once_though_its_state_went_with_it(database_url: str) -> None:
    fired = [change for change in _fired() if change.alert.key.machine == "web1"]
    (ended,) = [change for change in forget(hub_with_alerts(), "web1", 11) if change.news]
    store, other = Store(database_url), Store(database_url)
    await store.write(fired, notify=True)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("DELETE FROM alert_states")
        events = await store.write([ended], notify=True)
        # Another alertd hears of it a moment later.
        assert await other.write([replace(ended, at_us=ended.at_us + 77)], notify=True) == []
        assert [event["kind"] for event in events] == ["alert.resolved"]
        assert await store.load() == []
        rows = await connection.execute("SELECT payload->>'state' FROM notifications ORDER BY id")
        assert await rows.fetchall() == [("firing",), ("resolved",)]
    await store.close()
    await other.close()


def _fired() -> list[Change]:
    hub = Hub()
    return [change for second in range(0, 15, 5) for change in hub.sample(second, {"/": 95.0}) if change.news]
