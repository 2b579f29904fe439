"""Keeps Redis as the fleet is now, and publishes each change: before the database is asked, and regardless of it.

What waits here is the newest frame of each machine, so memory is bounded by the fleet. A flush starts as soon as the
one before it is done: alone, a frame goes out at once; under load many share one round trip.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import bus, logs
from sysmonstm.beats import UNWATCHED, Loop
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_to_wire, without_events

log = logs.logger(__name__)

# The least time from the end of a flush to the start of the next. A flush costs as much as storing two frames, and a
# frame waits for half of this on average where there are many; where there are few it does not wait.
GATHER_SECONDS = 0.004
FLUSH_SECONDS = 10.0
# Events are rows already when they come here; this many wait for Redis, and the oldest news is the first to go.
MAX_EVENTS = 1000
# Where containers come and go, layouts do too: with this many that no machine's newest frame uses, they are forgotten.
MAX_UNUSED_LAYOUTS = 1000


@dataclass(frozen=True, slots=True)
class _Shown:
    """The newest frame of a machine."""

    stream: bytes
    seq: int
    layout_id: bytes
    taken_us: int


class LivePublisher:
    """The one writer of this aggregator to Redis."""

    def __init__(self, redis: Redis, emptied: Callable[[], None], loop: Loop = UNWATCHED) -> None:
        """`emptied` is called when Redis has lost what other aggregators may have told it; `loop` is `run`'s."""
        self._redis = redis
        self._loop = loop
        self._emptied = emptied
        self._epoch = secrets.token_hex(8)
        self._n = 0
        self._generation = b""
        self._away = False
        self._wake = asyncio.Event()
        # All that this aggregator knows, for a Redis that has lost it, and what of it has not been sent.
        self._frames: dict[str, bytes] = {}
        self._hellos: dict[str, bytes] = {}
        self._layouts: dict[bytes, bytes] = {}
        self._newest: dict[str, _Shown] = {}
        self._layouts_before = 0
        self._cleaning = False
        # Machines that were forgotten since the start, and those of them that Redis was not told of.
        self._forgotten: set[str] = set()
        self._unsent_forgotten: set[str] = set()
        self._unsent_frames: dict[str, bytes] = {}
        self._unsent_hellos: dict[str, bytes] = {}
        self._unsent_layouts: dict[bytes, bytes] = {}
        self._events: list[str] = []
        # Events that nobody was told of: they were too many while Redis was away.
        self.unpublished_events = 0

    @property
    def away(self) -> bool:
        """Whether Redis does not answer."""
        return self._away

    @property
    def machines(self) -> int:
        """How many machines this aggregator has heard of."""
        return len(self._hellos)

    def hello(self, hello: ingest_pb2.Hello) -> None:
        """A machine has introduced itself."""
        raw = hello.SerializeToString(deterministic=True)
        if self._hellos.get(hello.machine) != raw:
            self._hellos[hello.machine] = self._unsent_hellos[hello.machine] = raw
            self._wake.set()

    def frame(
        self,
        machine: str,
        stream: bytes,
        layout: Layout,
        frame: ingest_pb2.Frame,
        received_us: int,
        skew_us: int = 0,
        taken_us: int = 0,
    ) -> None:
        """Show a frame, unless a newer one has been shown; `layout` is the one that it names.

        Within a stream seq says which is newer. Of two streams of a machine, one is an old one that is being replayed,
        or two hosts have one name: there it is when the sample was taken by this hub's clock, `taken_us`, which holds
        however wrong theirs are. 0 is older than all that is known.
        """
        shown = self._newest.get(machine)
        if shown and not _is_newer(shown, stream, frame.seq, taken_us, received_us):
            return
        self._newest[machine] = _Shown(stream, frame.seq, layout.id, taken_us)
        if layout.id not in self._layouts:
            self._learn(layout)
        shown_frame = without_events(frame)
        live = bus_pb2.LiveFrame(
            machine=machine, stream=stream, received_us=received_us, frame=shown_frame, skew_us=skew_us
        )
        self._frames[machine] = self._unsent_frames[machine] = live.SerializeToString()
        if machine in self._forgotten and (hello := self._hellos.get(machine)):
            # Another aggregator that is told of it later takes the machine out of Redis again.
            self._unsent_hellos[machine] = hello
        self._wake.set()

    def forget(self, machines: list[str]) -> None:
        """Take machines out of live state. One that says hello or sends again is shown again."""
        for machine in machines:
            for known in (self._hellos, self._frames, self._newest, self._unsent_hellos, self._unsent_frames):
                known.pop(machine, None)
        self._forgotten.update(machines)
        self._unsent_forgotten.update(machines)
        self._wake.set()

    def _learn(self, layout: Layout) -> None:
        self._layouts[layout.id] = self._unsent_layouts[layout.id] = layout_to_wire(layout).SerializeToString()
        if len(self._layouts) > self._layouts_before + MAX_UNUSED_LAYOUTS:
            used = {shown.layout_id for shown in self._newest.values()}
            self._layouts = {one: raw for one, raw in self._layouts.items() if one in used}
            self._layouts_before = len(self._layouts)
            self._cleaning = True
            self._unsend()

    def event(self, fields: dict[str, object]) -> None:
        """Tell readers of an event that is stored already; `fields` as /api/events shows it."""
        if len(self._events) >= MAX_EVENTS:
            if not self.unpublished_events:
                log.warning(
                    "redis.event_dropped", "too many events wait for Redis; the oldest are stored, but not published"
                )
            self.unpublished_events += 1
            del self._events[0]
        self._events.append(json.dumps(fields))
        self._wake.set()

    async def missing(self, machines: list[str]) -> set[str]:
        """Those of `machines` that neither Redis nor this aggregator has anything of."""
        unheard = set(machines) - self._hellos.keys()
        try:
            return unheard - set(map(_text, await self._redis.hkeys(bus.HELLOS)))
        except (RedisError, OSError):
            # It will have lost them when it is back, or other aggregators will have told it something newer by then.
            return unheard

    def knows(self, machine: str) -> bool:
        """Whether this aggregator has heard of a machine, from itself or from history."""
        return machine in self._hellos

    async def run(self) -> None:
        """Flush for ever; a heartbeat follows each quiet second."""
        while True:
            bus.heed_cancellation()
            try:
                async with asyncio.timeout(bus.HEARTBEAT_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                with self._loop.waits(FLUSH_SECONDS + bus.REDIS_TIMEOUT_SECONDS):
                    await self._flush()
                await asyncio.sleep(GATHER_SECONDS)
            except (RedisError, OSError) as error:
                self._is_away(error)
                await asyncio.sleep(bus.RETRY_SECONDS)

    def _is_away(self, error: Exception) -> None:
        """Redis does not answer: what it knew may be gone when it is back, so everything is unsent again."""
        if not self._away:
            self._away = True
            log.warning("redis.away", "Redis does not answer; live state waits", reason=str(error))
        self._unsend()

    def _unsend(self) -> None:
        self._unsent_frames = dict(self._frames)
        self._unsent_hellos = dict(self._hellos)
        self._unsent_layouts = dict(self._layouts)
        self._wake.set()

    async def _flush(self) -> None:
        frames, self._unsent_frames = self._unsent_frames, {}
        hellos, self._unsent_hellos = self._unsent_hellos, {}
        layouts, self._unsent_layouts = self._unsent_layouts, {}
        forgotten, self._unsent_forgotten = self._unsent_forgotten, set()
        events, self._events = self._events, []
        cleaning, self._cleaning = self._cleaning, False
        self._n += 1
        batch = bus_pb2.LiveBatch(
            epoch=self._epoch,
            n=self._n,
            frames=frames.values(),
            hellos=hellos.values(),
            layouts=layouts.values(),
            forgotten=forgotten,
        )
        async with self._redis.pipeline(transaction=True) as pipe:
            if cleaning:
                # Without the generation every aggregator tells again what it knows, and so all that is in use.
                pipe.delete(bus.LAYOUTS, bus.GENERATION)
            if forgotten:
                pipe.hdel(bus.HELLOS, *forgotten)
                pipe.hdel(bus.FRAMES, *forgotten)
                pipe.sadd(bus.FORGOTTEN, *forgotten)
            for name, fields in ((bus.LAYOUTS, layouts), (bus.HELLOS, hellos), (bus.FRAMES, frames)):
                if fields:
                    pipe.hset(name, items=[part for pair in fields.items() for part in pair])
            pipe.hset(bus.EPOCHS, self._epoch, self._n)
            pipe.publish(bus.LIVE, batch.SerializeToString())
            for event in events:
                pipe.publish(bus.EVENTS, event)
            # Another each time, so that this aggregator too sees when its own was lost.
            pipe.set(bus.GENERATION, f"{self._epoch}-{self._n}", nx=True)
            pipe.get(bus.GENERATION)
            try:
                # Each answer has a limit of its own, but a server that is slow could string them together.
                async with asyncio.timeout(FLUSH_SECONDS):
                    generation = (await pipe.execute())[-1]
            except (RedisError, OSError):
                self._events = [*events, *self._events][-MAX_EVENTS:]
                self._unsent_forgotten |= forgotten
                self._cleaning |= cleaning
                raise
        self._is_here(generation, told_all=cleaning)

    def _is_here(self, generation: bytes, told_all: bool) -> None:
        """Redis has taken a flush; if it has lost the ones before, everything is unsent again."""
        if self._away:
            self._away = False
            log.info("redis.back", "Redis answers again")
        if generation != self._generation and not told_all:
            if self._generation:
                log.warning("redis.emptied", "Redis has lost what it was told; telling it again")
                self._emptied()
            self._unsend()
        self._generation = generation


def _is_newer(shown: _Shown, stream: bytes, seq: int, taken_us: int, now_us: int) -> bool:
    if stream == shown.stream:
        return seq > shown.seq
    # What seems to have been taken after now was shown before this hub's clock was set back.
    return taken_us >= shown.taken_us or shown.taken_us > now_us


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode()
