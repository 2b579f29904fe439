from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from sysmon.v1 import bus_pb2
from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus
from sysmonstm.aggregatord import live as live_module
from sysmonstm.aggregatord.__main__ import Wiring
from sysmonstm.aggregatord.history.recall import Newest, Recalled
from sysmonstm.aggregatord.ingest import IngestService
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.bus import Changes, Fleet, Machine, Snapshot
from sysmonstm.ctl import servers
from tests.aggregatord.ingest_hub import LIMITS, HistoryOfNone
from tests.aggregatord.samples import frame, hello, layout, stream_of
from tests.shared.real_server import RealServer, until


@asynccontextmanager
async def publishing(url: str) -> AsyncIterator[tuple[LivePublisher, Redis]]:
    """A publisher that runs for as long as the block, and a client of the test's own."""
    async with bus.connect(url) as redis, bus.connect(url) as client, asyncio.TaskGroup() as tasks:
        publisher = LivePublisher(redis, lambda: None)
        running = tasks.create_task(publisher.run())
        try:
            yield publisher, client
        finally:
            running.cancel()


def show(publisher: LivePublisher, machine: str, seq: int, number: int = 0, stream: bytes = b"") -> None:
    publisher.hello(hello(machine))
    publisher.frame(machine, stream or stream_of(machine), layout(number), frame(seq, layout(number)), received_us=seq)


async def fleet(redis: Redis) -> Fleet:
    """What a reader that comes now finds."""
    found = Fleet()
    async with asyncio.timeout(60):
        updates = bus.follow(redis, found)
        assert await anext(updates) == Snapshot()
        await updates.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator
    return found


def shown(seq: int, number: int = 0, machine: str = "web1") -> Machine:
    sample = frame(seq, layout(number))
    live = bus_pb2.LiveFrame(machine=machine, stream=stream_of(machine), received_us=seq, frame=sample)
    return Machine(hello(machine), live)


async def holds(redis: Redis, *machines: Machine) -> bool:
    wanted = {machine.hello.machine: machine for machine in machines}
    return (await fleet(redis)).machines == wanted


async def test_a_frame_is_in_the_hashes_and_published(redis_url: str) -> None:
    async with publishing(redis_url) as (publisher, redis), bus.connect(redis_url) as other:
        seen = Fleet()
        updates = bus.follow(other, seen)
        assert await anext(updates) == Snapshot()
        show(publisher, "web1", 1)
        frames: list[bus_pb2.LiveFrame] = []
        async with asyncio.timeout(60):
            while not frames:
                update = await anext(updates)
                assert isinstance(update, Changes)
                frames += update.frames
        assert frames == [shown(1).frame]
        assert seen == await fleet(redis) == Fleet({"web1": shown(1)}, {layout().id: layout()})
        await updates.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator


async def test_a_heartbeat_follows_a_quiet_second(redis_url: str) -> None:
    async with publishing(redis_url) as (_, redis), redis.pubsub() as subscription:
        await subscription.subscribe(bus.LIVE)
        numbers: list[int] = []
        async with asyncio.timeout(60):
            while len(numbers) < 3:
                message = await subscription.get_message(ignore_subscribe_messages=True, timeout=1.0)
                if message:
                    batch = bus_pb2.LiveBatch.FromString(message["data"])
                    assert not (batch.frames or batch.hellos or batch.layouts)
                    numbers.append(batch.n)
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        (last,) = (await redis.hgetall(bus.EPOCHS)).values()
        assert int(last) >= numbers[-1]


async def test_the_newest_frame_wins_and_an_older_one_is_not_shown(redis_url: str) -> None:
    async with publishing(redis_url) as (publisher, redis):
        for seq in (5, 4, 3):
            show(publisher, "web1", seq)
        await until("the newest is shown", lambda: holds(redis, shown(5)))
        show(publisher, "web1", 2)
        show(publisher, "web2", 1)
        await until("the other is shown too", lambda: holds(redis, shown(5), shown(1, machine="web2")))
        show(publisher, "web1", 1, stream=b"another stream..")
        await until("a new stream starts anew", lambda: _seq_is(redis, 1))


async def _seq_is(redis: Redis, seq: int) -> bool:
    machine = (await fleet(redis)).machines["web1"]
    return machine.frame is not None and machine.frame.frame.seq == seq


@pytest.mark.parametrize(
    ("story", "seq"),
    [
        # (stream, seq, when it was taken by the hub's clock)
        ([(b"old", 8, 80), (b"new", 1, 90)], 1),
        # The old stream is replayed while the new one is shown; and then the new one goes on.
        ([(b"new", 1, 90), (b"old", 7, 70), (b"old", 8, 80)], 1),
        ([(b"new", 1, 90), (b"old", 8, 80), (b"new", 2, 95)], 2),
        # Within a stream a clock that jumped back does not matter.
        ([(b"new", 1, 90), (b"new", 2, 20)], 2),
        ([(b"new", 2, 90), (b"new", 1, 99)], 2),
        # Two hosts of one name alternate.
        ([(b"one", 5, 90), (b"two", 700, 91), (b"one", 6, 92), (b"two", 701, 93)], 701),
        # Before this hub's clock was set back.
        ([(b"old", 8, 5000), (b"new", 1, 90)], 1),
        # What history remembers is older than all that is sent.
        ([(b"old", 8, 0), (b"new", 1, 1)], 1),
    ],
)
async def test_of_two_streams_the_sample_is_shown_that_was_taken_last(
    redis_url: str, story: list[tuple[bytes, int, int]], seq: int
) -> None:
    async with publishing(redis_url) as (publisher, redis):
        publisher.hello(hello())
        for stream, number, taken_us in story:
            publisher.frame("web1", stream, layout(), frame(number), received_us=100, skew_us=-7, taken_us=taken_us)
        await until("the right one is shown", lambda: _seq_is(redis, seq))
        shown = (await fleet(redis)).machines["web1"].frame
        assert shown
        assert shown.skew_us == -7


async def test_a_machine_that_is_forgotten_is_gone_until_it_sends_again(redis_url: str) -> None:
    async with publishing(redis_url) as (publisher, redis), bus.connect(redis_url) as other:
        show(publisher, "web1", 1)
        show(publisher, "web2", 1)
        await until("both are shown", lambda: holds(redis, shown(1), shown(1, machine="web2")))
        reader, gone = Fleet(), list[str]()
        updates = bus.follow(other, reader)
        assert await anext(updates) == Snapshot()
        publisher.forget(["web1", "nobody"])
        async with asyncio.timeout(60):
            while not gone:
                update = await anext(updates)
                assert isinstance(update, Changes)
                gone += update.forgotten
        assert sorted(gone) == ["nobody", "web1"]
        assert reader.machines == {"web2": shown(1, machine="web2")}
        assert await holds(redis, shown(1, machine="web2"))
        assert (publisher.machines, publisher.knows("web1")) == (1, False)
        # Its hello is the same as before, and so is the frame.
        show(publisher, "web1", 1)
        await until("it is back", lambda: holds(redis, shown(1), shown(1, machine="web2")))
        await updates.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator


async def test_a_forgotten_machine_stays_forgotten_when_redis_is_told_again(redis_url: str) -> None:
    """By an aggregator that has not heard of it yet; then that one hears of it too."""
    async with publishing(redis_url) as (one, redis), publishing(redis_url) as (other, _):
        for publisher in (one, other):
            show(publisher, "web1", 1)
        show(one, "web2", 1)
        await until("both are shown", lambda: holds(redis, shown(1), shown(1, machine="web2")))
        await until("the other has told all", lambda: bool(other._generation) and not other._unsent_hellos)
        one.forget(["web1"])
        await until("it is gone", lambda: holds(redis, shown(1, machine="web2")))
        await redis.flushall()
        await until("the other tells of it again", lambda: holds(redis, shown(1), shown(1, machine="web2")))
        other.forget(["web1"])
        await until("it is gone", lambda: holds(redis, shown(1, machine="web2")))
        await redis.flushall()
        await until("nobody tells of it", lambda: holds(redis, shown(1, machine="web2")))


async def test_a_machine_that_is_back_outlives_an_aggregator_that_hears_late(redis_url: str) -> None:
    async with publishing(redis_url) as (one, redis), publishing(redis_url) as (other, _):
        show(one, "web1", 1)
        await until("it is shown", lambda: holds(redis, shown(1)))
        one.forget(["web1"])
        show(one, "web1", 2)
        await until("it is back", lambda: holds(redis, shown(2)))
        other.forget(["web1"])
        await until("the other has taken it out", lambda: holds(redis))
        show(one, "web1", 3)
        await until("it is back", lambda: holds(redis, shown(3)))


async def test_a_machine_that_is_forgotten_while_redis_takes_nothing_is_gone_when_it_does(redis_url: str) -> None:
    async with publishing(redis_url) as (publisher, redis):
        show(publisher, "web1", 1)
        show(publisher, "web2", 1)
        await until("both are shown", lambda: holds(redis, shown(1), shown(1, machine="web2")))
        # It keeps what it has, and refuses every flush.
        await redis.config_set("maxmemory", 1)
        try:
            publisher.forget(["web1"])
            await until("a flush has failed", lambda: publisher._away)
        finally:
            await redis.config_set("maxmemory", 0)
        await until("only the other is shown", lambda: holds(redis, shown(1, machine="web2")))


async def test_a_redis_that_was_emptied_is_told_again(redis_url: str) -> None:
    """Twice, for what was told the first time comes from the same aggregator."""
    async with publishing(redis_url) as (publisher, redis):
        show(publisher, "web1", 1)
        await until("it is shown", lambda: holds(redis, shown(1)))
        for _ in range(2):
            await redis.flushall()
            await until("it is shown again", lambda: holds(redis, shown(1)))


async def test_every_aggregator_tells_a_redis_that_was_emptied(redis_url: str) -> None:
    async with publishing(redis_url) as (one, redis), publishing(redis_url) as (other, _):
        show(one, "web1", 1)
        show(other, "web2", 2)
        both = (shown(1), shown(2, machine="web2"))
        await until("both are shown", lambda: holds(redis, *both))
        await redis.flushall()
        await until("both are shown again", lambda: holds(redis, *both))


async def test_a_redis_that_was_killed_is_told_everything_and_every_event(server_directory: Path) -> None:
    with RealServer(servers.redis, server_directory / "live") as server:
        async with publishing(server.url) as (publisher, redis):
            show(publisher, "web1", 1)
            await until("it is shown", lambda: holds(redis, shown(1)))
            server.kill()
            publisher.event({"id": 1})
            # Long enough for flushes that fail and take the event with them.
            await asyncio.sleep(1.5 * bus.RETRY_SECONDS)
            publisher.event({"id": 2})
            server.start()
            # Before the publisher has had a chance to run: nothing here has waited since the start.
            with SyncRedis.from_url(server.url) as other, other.pubsub() as subscription:
                subscription.subscribe(bus.EVENTS)
                subscription.get_message(timeout=10)
                events: list[bytes] = []

                def both_came() -> bool:
                    message = subscription.get_message()
                    events.extend([message["data"]] if message else [])
                    return len(events) == 2

                await until("both events are told", both_came)
            assert events == [b'{"id": 1}', b'{"id": 2}']
            await until("it is shown again", lambda: holds(redis, shown(1)))


async def test_layouts_that_no_newest_frame_uses_are_forgotten(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here and in Redis; those that another aggregator uses stay."""
    monkeypatch.setattr(live_module, "MAX_UNUSED_LAYOUTS", 3)
    async with publishing(redis_url) as (publisher, redis), publishing(redis_url) as (other, _):
        show(other, "web2", 1, number=50)
        for seq in range(1, 21):
            show(publisher, "web1", seq, number=seq)
        wanted = (shown(20, number=20), shown(1, number=50, machine="web2"))
        await until("both are shown", lambda: holds(redis, *wanted))
        assert len(publisher._layouts) <= 5
        assert await redis.hlen(bus.LAYOUTS) <= 6
        # One that was forgotten comes back.
        show(publisher, "web1", 21, number=1)
        await until("it is shown", lambda: holds(redis, shown(21, number=1), wanted[1]))


async def test_what_history_recalls_is_shown_until_the_machine_speaks(redis_url: str) -> None:
    async with publishing(redis_url) as (publisher, redis):
        show(publisher, "web1", 5)
        for machine in ("web1", "web2"):
            wiring(publisher).recalled(
                Recalled(hello(machine, old="yes"), Newest(stream_of(machine), frame(3), layout()))
            )
        recalled = (await _recalled(redis, publisher)).machines
        assert recalled["web1"] == shown(5)
        assert recalled["web2"].hello == hello("web2", old="yes")
        assert recalled["web2"].frame is not None
        assert recalled["web2"].frame.received_us == frame(3).time_us
        assert await publisher.missing(["web1", "web2", "web3"]) == {"web3"}


def wiring(publisher: LivePublisher) -> Wiring:
    return Wiring(publisher, IngestService(publisher, HistoryOfNone(), LIMITS))


async def _recalled(redis: Redis, publisher: LivePublisher) -> Fleet:
    async def both() -> bool:
        return len((await fleet(redis)).machines) == publisher.machines == 2

    await until("both are shown", both)
    return await fleet(redis)


def test_events_beyond_what_may_wait_drop_the_oldest() -> None:
    publisher = LivePublisher(bus.connect("redis://localhost:1"), lambda: None)
    for number in range(live_module.MAX_EVENTS + 2):
        publisher.event({"id": number})
    assert len(publisher._events) == live_module.MAX_EVENTS
    assert publisher._events[0] == '{"id": 2}'


def test_a_hello_that_is_the_same_is_not_told_again() -> None:
    publisher = LivePublisher(bus.connect("redis://localhost:1"), lambda: None)
    publisher.hello(hello("web1", a="1", b="2"))
    publisher._unsent_hellos.clear()
    publisher.hello(pb.Hello.FromString(hello("web1", b="2", a="1").SerializeToString()))
    assert publisher._unsent_hellos == {}


async def test_cancelling_ends_the_loops_whenever_it_comes(redis_url: str) -> None:
    """redis-py swallows some cancellations; SIGTERM must end the daemon all the same."""
    async with bus.connect(redis_url) as redis:
        for number in range(200):
            publisher = LivePublisher(redis, lambda: None)
            loops = [asyncio.create_task(publisher.run()), asyncio.create_task(_follow(redis))]
            show(publisher, "web1", 1)
            for _ in range(number):
                await asyncio.sleep(0)
            for loop in loops:
                loop.cancel()
            _, running = await asyncio.wait(loops, timeout=30)
            assert not running


async def _follow(redis: Redis) -> None:
    async for _ in bus.follow(redis, Fleet()):
        pass
