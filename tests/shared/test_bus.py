from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import bus
from sysmonstm.bus import Away, Changes, Continuity, Event, Fleet, Machine, Snapshot, State, Verdict
from sysmonstm.ctl import servers
from sysmonstm.metric import Kind, Layout, Metric, Series
from sysmonstm.wire import layout_to_wire
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, FleetPublisher
from tests.shared.real_server import RealServer

Update = Snapshot | Changes | Event | Away


@pytest.mark.parametrize(
    ("known", "publishes", "verdicts"),
    [
        ({}, [("a", 1), ("a", 2)], ["APPLY", "APPLY"]),
        ({"a": 5}, [("a", 4), ("a", 5), ("a", 6)], ["OLD", "OLD", "APPLY"]),
        ({"a": 5}, [("a", 7)], ["MISSED"]),
        ({"a": 5}, [("b", 1), ("a", 6), ("b", 2)], ["APPLY", "APPLY", "APPLY"]),
        ({"a": 5}, [("b", 2)], ["MISSED"]),
        ({}, [("a", 1), ("a", 1)], ["APPLY", "OLD"]),
    ],
)
def test_a_publish_is_applied_only_where_it_follows_on(
    known: dict[str, int], publishes: list[tuple[str, int]], verdicts: list[str]
) -> None:
    continuity = Continuity(known)
    assert [continuity.take(epoch, n).name for epoch, n in publishes] == verdicts


LAYOUTS = [Layout((Series(Metric(f"a.b{number}", "count", Kind.GAUGE, "")),)) for number in range(3)]


@dataclass(frozen=True)
class Forget:
    """A step of a story: this machine is forgotten."""

    epoch: str
    number: int


class Hub:
    """Redis and two aggregators, as a model: hashes, and the publishes that one subscriber has yet to be handed."""

    def __init__(self) -> None:
        self.hashes = Fleet()
        self.epochs = {"a": 0, "b": 0}
        self.queue: list[bus_pb2.LiveBatch] = []
        self._seq = 0

    def publish(self, epoch: str, number: int | None) -> None:
        """A frame of a machine of this aggregator, or a heartbeat."""
        self.epochs[epoch] += 1
        batch = bus_pb2.LiveBatch(epoch=epoch, n=self.epochs[epoch])
        if number is not None:
            self._seq += 1
            machine = f"{epoch}{number}"
            layout = LAYOUTS[self._seq % 3]
            frame = ingest_pb2.Frame(seq=self._seq, layout_id=layout.id, values=[self._seq])
            batch.frames.append(bus_pb2.LiveFrame(machine=machine, stream=b"s", frame=frame).SerializeToString())
            if machine not in self.hashes.machines:
                batch.hellos.append(ingest_pb2.Hello(machine=machine).SerializeToString())
            if layout.id not in self.hashes.layouts:
                batch.layouts.append(layout_to_wire(layout).SerializeToString())
        self.hashes.apply(batch)
        self.queue.append(batch)

    def forget(self, epoch: str, number: int) -> None:
        """A machine of this aggregator is forgotten."""
        self.epochs[epoch] += 1
        batch = bus_pb2.LiveBatch(epoch=epoch, n=self.epochs[epoch], forgotten=[f"{epoch}{number}"])
        self.hashes.apply(batch)
        self.queue.append(batch)

    def read(self) -> tuple[Fleet, Continuity]:
        machines = {name: Machine(machine.hello, machine.frame) for name, machine in self.hashes.machines.items()}
        return Fleet(machines, dict(self.hashes.layouts)), Continuity(self.epochs)


publishes = st.tuples(st.sampled_from("ab"), st.integers(0, 2) | st.none())
forgets = st.builds(Forget, st.sampled_from("ab"), st.integers(0, 2))


class Reader:
    """A subscriber of the model, which reads anew at each MISSED as bus.follow does."""

    def __init__(self, hub: Hub, data: st.DataObject) -> None:
        self._hub = hub
        self._data = data
        self._read()

    def _read(self) -> None:
        # It subscribes first, and what is published before it reads is both handed over and read.
        self._hub.queue.clear()
        for epoch, number in self._data.draw(st.lists(publishes, max_size=2)):
            self._hub.publish(epoch, number)
        self.fleet, self._continuity = self._hub.read()

    def take(self) -> None:
        batch = self._hub.queue.pop(0)
        verdict = self._continuity.take(batch.epoch, batch.n)
        if verdict is Verdict.APPLY:
            self.fleet.apply(batch)
        elif verdict is Verdict.MISSED:
            self._read()


@given(st.lists(publishes | forgets | st.sampled_from(["take", "lose"])), st.data())
def test_whatever_is_lost_is_missed_or_harmless(
    story: list[tuple[str, int | None] | Forget | str], data: st.DataObject
) -> None:
    """In the end a reader has what Redis has."""
    hub = Hub()
    reader = Reader(hub, data)
    for step in story:
        if isinstance(step, tuple):
            hub.publish(*step)
        elif isinstance(step, Forget):
            hub.forget(step.epoch, step.number)
        elif hub.queue:
            reader.take() if step == "take" else hub.queue.pop(0)
    for epoch in hub.epochs:
        hub.publish(epoch, None)
    while hub.queue:
        reader.take()
    assert reader.fleet == hub.hashes


def frame(seq: int, stream: bytes = b"s", layout: Layout = LAYOUT, machine: str = "web1") -> bus_pb2.LiveFrame:
    sample = ingest_pb2.Frame(seq=seq, layout_id=layout.id)
    return bus_pb2.LiveFrame(machine=machine, stream=stream, frame=sample)


def test_a_frame_that_is_older_than_what_is_known_does_not_go_backwards() -> None:
    fleet = Fleet({"web1": Machine(ingest_pb2.Hello(machine="web1"))}, {LAYOUT.id: LAYOUT})
    shown = [fleet.show(frame(seq, stream)) for seq, stream in [(5, b"s"), (5, b"s"), (4, b"s"), (6, b"s"), (1, b"t")]]
    assert shown == [True, False, False, True, True]
    assert fleet.machines["web1"].frame == frame(1, b"t")
    assert fleet.layout(frame(1)) == LAYOUT


def test_a_frame_of_an_unknown_machine_or_layout_is_not_shown() -> None:
    fleet = Fleet({"web1": Machine(ingest_pb2.Hello(machine="web1"))}, {LAYOUT.id: LAYOUT})
    assert not fleet.show(frame(1, machine="web2"))
    assert not fleet.show(frame(1, layout=OTHER_LAYOUT))


def test_a_new_hello_keeps_the_frame() -> None:
    fleet = Fleet({"web1": Machine(ingest_pb2.Hello(machine="web1"), frame(1))}, {LAYOUT.id: LAYOUT})
    hello = ingest_pb2.Hello(machine="web1", agent_version="2")
    changes = fleet.apply(bus_pb2.LiveBatch(hellos=[hello.SerializeToString()]))
    assert changes == Changes([], [hello])
    assert fleet.machines["web1"] == Machine(hello, frame(1))


def test_a_machine_that_is_forgotten_is_gone_unless_it_is_met_in_the_same_publish() -> None:
    hello = ingest_pb2.Hello(machine="web1")
    fleet = Fleet({"web1": Machine(hello, frame(1)), "web2": Machine(hello)}, {LAYOUT.id: LAYOUT})
    changes = fleet.apply(bus_pb2.LiveBatch(forgotten=["web1", "web3"]))
    assert (changes, list(fleet.machines)) == (Changes([], [], ["web1", "web3"]), ["web2"])
    # What it last showed is forgotten too, and one that is older than that can be shown.
    fleet.apply(bus_pb2.LiveBatch(forgotten=["web1"], hellos=[hello.SerializeToString()]))
    assert fleet.machines["web1"] == Machine(hello)
    assert fleet.show(frame(1))


@pytest.mark.parametrize(
    ("interval", "quiet_seconds", "state"),
    [
        (5.0, None, State.WAITING),
        (5.0, 0.0, State.UP),
        (5.0, 15.0, State.UP),
        (5.0, 15.1, State.SILENT),
        (1.0, 10.0, State.UP),
        (1.0, 10.1, State.SILENT),
        (60.0, 179.9, State.UP),
        (60.0, 180.1, State.SILENT),
        (5.0, -3600.0, State.UP),
    ],
)
def test_a_machine_is_silent_after_three_intervals_and_at_least_ten_seconds(
    interval: float, quiet_seconds: float | None, state: State
) -> None:
    machine = Machine(ingest_pb2.Hello(interval_seconds=interval))
    received = 1_800_000_000_000_000
    if quiet_seconds is not None:
        machine.frame = bus_pb2.LiveFrame(received_us=received)
    assert machine.state(received + int((quiet_seconds or 0.0) * 1e6)) is state


@asynccontextmanager
async def followed(url: str, fleet: Fleet) -> AsyncIterator[AsyncIterator[Update]]:
    """Updates, each of which must come within a minute."""
    async with bus.connect(url) as redis:
        updates = bus.follow(redis, fleet)

        async def patiently() -> AsyncIterator[Update]:
            while True:
                async with asyncio.timeout(60):
                    yield await anext(updates)

        yield patiently()
        await updates.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator


@pytest.fixture
def publisher(redis_url: str) -> Iterator[FleetPublisher]:
    publisher = FleetPublisher(redis_url)
    yield publisher
    publisher.close()


async def test_a_reader_gets_the_fleet_as_it_is_and_then_each_change(redis_url: str, publisher: FleetPublisher) -> None:
    publisher.publish(hellos=[hello := publisher.hello("web1")], layouts=[LAYOUT])
    publisher.publish(frames=[first := publisher.frame("web1", [1, 2, 3, 4])])
    fleet = Fleet()
    async with followed(redis_url, fleet) as updates:
        assert await anext(updates) == Snapshot()
        assert fleet == Fleet({"web1": Machine(hello, first)}, {LAYOUT.id: LAYOUT})
        second = publisher.frame("web1", [5, 6, 7, 8])
        publisher.publish(frames=[second])
        assert await anext(updates) == Changes([second], [])
        publisher.redis.publish(bus.EVENTS, '{"id": 1, "kind": "machine.new"}')
        assert await anext(updates) == Event({"id": 1, "kind": "machine.new"})
        publisher.publish(hellos=[other := publisher.hello("web2")])
        assert await anext(updates) == Changes([], [other])
        publisher.publish(forgotten=["web3"])
        assert await anext(updates) == Changes([], [], ["web3"])
    assert fleet == Fleet({"web1": Machine(hello, second), "web2": Machine(other)}, {LAYOUT.id: LAYOUT})


async def test_a_publish_that_was_missed_is_made_up_for(redis_url: str, publisher: FleetPublisher) -> None:
    publisher.publish(hellos=[hello := publisher.hello("web1")], layouts=[LAYOUT])
    fleet = Fleet()
    async with followed(redis_url, fleet) as updates:
        assert await anext(updates) == Snapshot()
        # In the hashes, but never handed over.
        missed = publisher.frame("web1", [1, 2, 3, 4])
        publisher.redis.hset(bus.FRAMES, "web1", missed.SerializeToString())
        publisher.n += 1
        publisher.publish()
        assert await anext(updates) == Snapshot()
        assert fleet == Fleet({"web1": Machine(hello, missed)}, {LAYOUT.id: LAYOUT})


async def test_a_fleet_whose_last_machine_was_forgotten_is_empty_and_not_lost(
    redis_url: str, publisher: FleetPublisher
) -> None:
    """Also for a reader that has missed it."""
    publisher.publish(hellos=[publisher.hello("web1")])
    fleet = Fleet()
    async with followed(redis_url, fleet) as updates:
        assert await anext(updates) == Snapshot()
        publisher.n += 1
        publisher.publish(forgotten=["web1"])
        assert await anext(updates) == Snapshot()
        assert fleet == Fleet()


async def test_many_new_layouts_make_a_reader_forget_those_that_redis_has_forgotten(
    redis_url: str, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "MAX_NEW_LAYOUTS", 1)
    fleet = Fleet()
    async with followed(redis_url, fleet) as updates:
        assert await anext(updates) == Snapshot()
        for layout in LAYOUTS[:2]:
            publisher.publish(layouts=[layout])
            assert await anext(updates) == Changes([], [])
        publisher.redis.hdel(bus.LAYOUTS, LAYOUTS[0].id)
        assert await anext(updates) == Snapshot()
    assert fleet.layouts == {LAYOUTS[1].id: LAYOUTS[1]}


async def test_a_redis_that_is_killed_is_away_once_and_then_read_anew(server_directory: Path) -> None:
    fleet = Fleet()
    with RealServer(servers.redis, server_directory / "bus") as server:
        async with followed(server.url, fleet) as updates:
            assert await anext(updates) == Snapshot()
            server.kill()
            away = await anext(updates)
            assert isinstance(away, Away)
            # What people are shown does not hold the server's path or address.
            assert (away.reason, away.detail != "") == ("Redis does not answer", True)
            following = asyncio.ensure_future(anext(updates))
            # Long enough for some tries that fail.
            await asyncio.sleep(2.5 * bus.RETRY_SECONDS)
            assert not following.done()
            server.start()
            publisher = FleetPublisher(server.url)
            publisher.publish(hellos=[publisher.hello("web1")])
            publisher.close()
            assert await following == Snapshot()
            while "web1" not in fleet.machines:
                await anext(updates)


async def test_a_redis_that_comes_back_empty_is_away_until_an_aggregator_has_told_it_the_fleet(
    server_directory: Path,
) -> None:
    fleet = Fleet()
    with RealServer(servers.redis, server_directory / "emptied") as server:
        publisher = FleetPublisher(server.url)
        publisher.publish(hellos=[hello := publisher.hello("web1")], layouts=[LAYOUT])
        publisher.close()
        async with followed(server.url, fleet) as updates:
            assert await anext(updates) == Snapshot()
            server.kill()
            assert isinstance(await anext(updates), Away)
            server.start()
            assert await anext(updates) == Away(bus.EMPTY)
            assert fleet == Fleet({"web1": Machine(hello)}, {LAYOUT.id: LAYOUT})
            following = asyncio.ensure_future(anext(updates))
            publisher = FleetPublisher(server.url)
            # An aggregator's heartbeat says nothing of the fleet.
            publisher.publish()
            await asyncio.sleep(1.5 * bus.RETRY_SECONDS)
            assert not following.done()
            publisher.publish(hellos=[other := publisher.hello("web2")])
            publisher.close()
            assert await following == Snapshot()
            assert fleet == Fleet({"web2": Machine(other)})
