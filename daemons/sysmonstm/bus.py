"""The Redis names, and how a reader follows the fleet through them without missing anything.

Current state lies in hashes; changes come by Pub/Sub, which is at most once. So every publish of an aggregator carries
its epoch and a number that grows by one, and holds only what the hashes held before it. A reader subscribes, reads the
hashes, and applies what is newer; where a number is missing, or an epoch starts in the middle, it reads them again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import logs
from sysmonstm.config import UserError
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_from_wire

FRAMES = "sysmon:frames"  # hash: machine -> LiveFrame
HELLOS = "sysmon:machines"  # hash: machine -> Hello
LAYOUTS = "sysmon:layouts"  # hash: layout id -> Layout
EPOCHS = "sysmon:epochs"  # hash: epoch -> number of its last publish
FORGOTTEN = "sysmon:forgotten"  # set: machines that were taken out of the hashes; some may be back
GENERATION = "sysmon:generation"  # string: any; gone or another where Redis has lost its hashes since it was last seen
LIVE = "sysmon:live"  # channel: LiveBatch
EVENTS = "sysmon:events"  # channel: JSON objects, as /api/events shows them

HEARTBEAT_SECONDS = 1.0
REDIS_TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 1.0
# Longer than it takes to subscribe and to read the hashes of a Redis that trickles.
READ_SECONDS = 30.0
# After this many new layouts a reader reads the hashes anew: aggregators take those out that are no longer in use.
MAX_NEW_LAYOUTS = 1000

log = logs.logger(__name__)


def connect(url: str) -> Redis:
    """A client for the address; nothing is sent yet. It never retries by itself: its callers decide."""
    try:
        return Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # What it says may quote the password.
        raise UserError("REDIS_URL has an option that is not understood; ?db=1, for one, is a number") from None


def heed_cancellation() -> None:
    """Raise CancelledError if the running task was cancelled: for loops that call Redis, once a round.

    redis-py sends within `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that comes as it ends.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


class State(StrEnum):
    """Whether a machine's samples come."""

    UP = "up"
    SILENT = "silent"  # longer without a sample than Machine.patience_seconds, by the aggregator's clock
    WAITING = "waiting"  # it has said hello and not yet sent a sample


@dataclass(slots=True)
class Machine:
    """What is known of one machine now."""

    hello: ingest_pb2.Hello
    frame: bus_pb2.LiveFrame | None = None

    @property
    def patience_seconds(self) -> float:
        """How long it may go without a sample before something is amiss: three intervals, and at least 10 s."""
        return max(3 * self.hello.interval_seconds, 10.0)

    def state(self, now_us: int) -> State:
        """Whether its samples come; `now_us` is in microseconds since 1970."""
        if self.frame is None:
            return State.WAITING
        quiet_seconds = (now_us - self.frame.received_us) / 1e6
        return State.SILENT if quiet_seconds > self.patience_seconds else State.UP


@dataclass(frozen=True, slots=True)
class Changes:
    """What one publish changed."""

    frames: list[bus_pb2.LiveFrame]
    hellos: list[ingest_pb2.Hello]
    # Names of machines that are gone, unless they are among `hellos` too.
    forgotten: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Fleet:
    """Every machine and layout that the bus knows."""

    machines: dict[str, Machine] = field(default_factory=dict)
    layouts: dict[bytes, Layout] = field(default_factory=dict)
    # Names of machines that were forgotten and are not back, as it was when the hashes were last read.
    forgotten: frozenset[str] = field(default=frozenset(), compare=False)

    def apply(self, batch: bus_pb2.LiveBatch) -> Changes:
        """Take a publish in, and say what it changed."""
        self._learn(batch.layouts)
        for name in batch.forgotten:
            self.machines.pop(name, None)
        hellos = [ingest_pb2.Hello.FromString(raw) for raw in batch.hellos]
        for hello in hellos:
            self._meet(hello)
        frames = [frame for raw in batch.frames if self.show(frame := bus_pb2.LiveFrame.FromString(raw))]
        return Changes(frames, hellos, list(batch.forgotten))

    def show(self, frame: bus_pb2.LiveFrame) -> bool:
        """Take a frame in; False if it is older than what is known, or of a machine or layout that nobody named."""
        machine = self.machines.get(frame.machine)
        if machine is None or frame.frame.layout_id not in self.layouts:
            return False
        known = machine.frame
        if known and known.stream == frame.stream and known.frame.seq >= frame.frame.seq:
            return False
        machine.frame = frame
        return True

    def layout(self, frame: bus_pb2.LiveFrame) -> Layout:
        """The layout of a frame that `show` took."""
        return self.layouts[frame.frame.layout_id]

    def _meet(self, hello: ingest_pb2.Hello) -> None:
        known = self.machines.get(hello.machine)
        self.machines[hello.machine] = Machine(hello, known.frame if known else None)

    def _learn(self, layouts: Iterable[bytes]) -> None:
        for raw in layouts:
            layout = layout_from_wire(ingest_pb2.Layout.FromString(raw))
            self.layouts[layout.id] = layout


class Verdict(Enum):
    """What a reader does with a publish."""

    APPLY = auto()
    OLD = auto()  # the hashes held it already when they were read
    MISSED = auto()  # something before it is lost: read the hashes again


class Continuity:
    """Which publishes a reader has had, by epoch."""

    def __init__(self, epochs: Mapping[str, int]) -> None:
        self._last = dict(epochs)

    def take(self, epoch: str, n: int) -> Verdict:
        """What to do with publish `n` of `epoch`."""
        last = self._last.get(epoch, 0)
        if n <= last:
            return Verdict.OLD
        self._last[epoch] = n
        return Verdict.APPLY if n == last + 1 else Verdict.MISSED


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet has been read anew; everything may have changed."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that people are told of: an object as /api/events shows it."""

    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Away:
    """The fleet is as it last was, for Redis does not answer or has lost it. Said once for each reason in a row.

    `reason` is a sentence for people; `detail`, for the log, may name what only operators are to see.
    """

    reason: str
    detail: str = ""


NO_ANSWER = "Redis does not answer"
EMPTY = "Redis is empty; no aggregator has told it anything yet"


class _EmptyError(Exception):
    """Redis has lost the fleet."""


def _nobody(_: float) -> None:
    """Nobody wants to know."""


async def follow(
    redis: Redis, fleet: Fleet, alive: Callable[[float], None] = _nobody
) -> AsyncIterator[Snapshot | Changes | Event | Away]:
    """Keep `fleet` as Redis has it, for ever, and yield each change after it was made.

    `alive` is called each time that a wait has ended, news or none, with the seconds that the next takes at most.
    """
    reason = ""
    while True:
        away = None
        heed_cancellation()
        alive(READ_SECONDS)
        try:
            async with redis.pubsub() as subscription:
                async for update in _subscribed(redis, subscription, fleet, alive):
                    reason = ""
                    yield update
        except (RedisError, OSError) as error:
            away = Away(NO_ANSWER, str(error) or type(error).__name__)
        except _EmptyError:
            away = Away(EMPTY)
        if away and away.reason != reason:
            reason = away.reason
            yield away
        await asyncio.sleep(RETRY_SECONDS)


async def _subscribed(
    redis: Redis, subscription: PubSub, fleet: Fleet, alive: Callable[[float], None]
) -> AsyncIterator[Snapshot | Changes | Event]:
    """Follow until the hashes must be read anew (the iterator ends) or Redis is away (its error rises)."""
    await subscription.subscribe(LIVE, EVENTS)
    for _ in (LIVE, EVENTS):
        await subscription.get_message(timeout=REDIS_TIMEOUT_SECONDS)
    alive(READ_SECONDS)
    continuity = await _read(redis, fleet)
    most_layouts = len(fleet.layouts) + MAX_NEW_LAYOUTS
    yield Snapshot()
    while len(fleet.layouts) <= most_layouts:
        heed_cancellation()
        # One for a message, two for a ping that must connect first, and a moment for what it brings.
        alive(3 * REDIS_TIMEOUT_SECONDS + 1.0)
        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=REDIS_TIMEOUT_SECONDS)
        if message is None:
            # No heartbeat: no aggregator runs, or Redis hangs. Only the latter makes this raise.
            await redis.ping()
        elif message["channel"] == EVENTS.encode():
            yield Event(json.loads(message["data"]))
        else:
            batch = bus_pb2.LiveBatch.FromString(message["data"])
            verdict = continuity.take(batch.epoch, batch.n)
            if verdict is Verdict.MISSED:
                log.info("bus.missed", "publishes were missed; reading the fleet anew", epoch=batch.epoch)
                return
            if verdict is Verdict.APPLY:
                yield fleet.apply(batch)


async def _read(redis: Redis, fleet: Fleet) -> Continuity:
    """Read the hashes at one instant into `fleet`; what they no longer have, it no longer has either.

    _EmptyError if they have lost all machines, and not because all were forgotten; the fleet is left alone then.
    """
    async with redis.pipeline(transaction=True) as pipe:
        for name in (LAYOUTS, HELLOS, FRAMES, EPOCHS):
            pipe.hgetall(name)
        pipe.smembers(FORGOTTEN)
        layouts, hellos, frames, epochs, gone = await pipe.execute()
    forgotten = frozenset(name.decode() for name in gone)
    # GENERATION would not tell: the heartbeat of an aggregator that has not yet seen the loss sets it, and no more.
    if not hellos and fleet.machines.keys() - forgotten:
        raise _EmptyError
    fresh = Fleet()
    fresh.apply(bus_pb2.LiveBatch(layouts=layouts.values(), hellos=hellos.values(), frames=frames.values()))
    fleet.layouts, fleet.machines = fresh.layouts, fresh.machines
    fleet.forgotten = forgotten - fleet.machines.keys()
    return Continuity({epoch.decode(): int(n) for epoch, n in epochs.items()})
