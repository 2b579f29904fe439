"""Carries frames to an aggregator: the durable lane, acknowledged, and the live lane while that one is behind."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm import logs
from sysmonstm.backoff import full_jitter
from sysmonstm.collectord.backlog import Backlog
from sysmonstm.collectord.lane import DurableLane
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_to_wire

log = logs.logger(__name__)

WELCOME_SECONDS = 20.0
BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 60.0
# A connection that held this long was a good one: the next try starts from the shortest wait again.
STEADY_SECONDS = 60.0

CHANNEL_OPTIONS = [
    # A dead hub is found within 30 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Back-off is decided here, with full jitter.
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
]

LIVE_PATIENCE_SECONDS = 0.05

Ingest: TypeAlias = "grpc.aio.StreamStreamCall[pb.CollectorMessage, pb.AggregatorMessage]"
Live: TypeAlias = "grpc.aio.StreamUnaryCall[pb.LiveMessage, pb.LiveSummary]"

_TIMER_SLACK = Path("/proc/self/timerslack_ns")
_IDLE_SLACK_NS = 50_000_000


class DisconnectedError(Exception):
    """The call has ended. The sentence says why."""


class LiveLane:
    """Shows the newest frame while the durable lane is behind. A call is made when the first is shown."""

    def __init__(self, stub: rpc.IngestStub, hello: pb.Hello) -> None:
        self._stub = stub
        self._hello = hello
        self._call: Live | None = None
        self._layout_id = b""

    async def show(self, frame: pb.Frame, layout: Layout) -> None:
        """Send a frame, which nobody will acknowledge; DisconnectedError if the call has ended."""
        if self._call is None:
            self._call = self._stub.Live()
            await _write(self._call, pb.LiveMessage(hello=self._hello))
        if self._layout_id != layout.id:
            self._layout_id = layout.id
            await _write(self._call, pb.LiveMessage(layout=layout_to_wire(layout)))
        await _write(self._call, pb.LiveMessage(frame=frame))


class Uplink:
    """One collector's connection to its aggregators, the first that answers."""

    def __init__(self, hello: pb.Hello, addresses: Sequence[str], backlog: Backlog, rng: random.Random) -> None:
        self._hello = hello
        self._addresses = addresses
        self._backlog = backlog
        self._rng = rng
        self._sendable = asyncio.Event()
        self._sampled = asyncio.Event()
        self._empty = asyncio.Event()
        self._newest: tuple[pb.Frame, Layout] | None = None
        self.connected_to = ""
        self.refused = 0

    def offer(self, time_us: int, layout: Layout, values: list[float]) -> None:
        """A sample has been taken; it is sent as soon as may be, and kept until it is acknowledged."""
        self._newest = (self._backlog.append(time_us, layout, values), layout)
        self._empty.clear()
        self._sendable.set()
        self._sampled.set()

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        if len(self._backlog):
            await self._empty.wait()

    async def run(self) -> None:
        """Stay connected, for ever."""
        attempt, told = 0, False
        for address in itertools.cycle(self._addresses):
            started = time.monotonic()
            try:
                await self._connection(address)
            except DisconnectedError as error:
                if self.connected_to or not told:
                    told = True
                    log.warning(
                        "uplink.away",
                        f"the aggregator at {address} does not take samples; they wait here",
                        address=address,
                        reason=str(error),
                    )
            self.connected_to = ""
            attempt = 0 if time.monotonic() - started > STEADY_SECONDS else attempt + 1
            await asyncio.sleep(full_jitter(attempt, BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, self._rng))

    async def _connection(self, address: str) -> None:
        """Connect and send until it breaks, which raises DisconnectedError."""
        with _coarse_timers():
            channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        async with channel:
            stub = rpc.IngestStub(channel)
            call = stub.Ingest()
            writing = asyncio.Lock()
            lane = DurableLane(self._backlog, await self._welcomed(call))
            self.connected_to = address
            log.info("uplink.connected", f"the aggregator at {address} takes samples", address=address)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(call, lane, writing))
                    tasks.create_task(self._send(call, lane, writing))
                    tasks.create_task(self._show(LiveLane(stub, self._hello), lane))
            except* DisconnectedError as errors:
                raise errors.exceptions[0] from None

    async def _welcomed(self, call: Ingest) -> int:
        """Say hello; how many batches the aggregator lets be unacknowledged."""
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await _write(call, pb.CollectorMessage(hello=self._hello))
                return (await _read(call)).welcome.window
        except TimeoutError:
            raise DisconnectedError(f"no welcome within {WELCOME_SECONDS:.0f} s") from None

    async def _receive(self, call: Ingest, lane: DurableLane, writing: asyncio.Lock) -> None:
        while True:
            message = await _read(call)
            if message.WhichOneof("message") == "ack":
                self._acknowledged(message.ack, lane)
            elif layout := self._backlog.layout(message.need_layout.layout_id):
                async with writing:
                    await _write(call, pb.CollectorMessage(layout=layout_to_wire(layout)))
            else:
                # It keeps the frames that were shed here until it has their layout, and would never take another.
                raise DisconnectedError("it waits for the layout of samples that were shed")

    def _acknowledged(self, ack: pb.Ack, lane: DurableLane) -> None:
        lane.acknowledge(ack)
        if ack.rejected and not self.refused:
            log.error(
                "frames.rejected",
                "the aggregator refuses samples, which are lost; said once, counted in agent.refused",
                first_seq=ack.rejected[0].seq,
                reason=ack.rejected[0].reason,
            )
        self.refused += len(ack.rejected)
        self._sendable.set()
        if not len(self._backlog):
            self._empty.set()

    async def _send(self, call: Ingest, lane: DurableLane, writing: asyncio.Lock) -> None:
        while True:
            while batch := lane.next_batch():
                # gRPC takes one write of a call at a time, and layouts are written in between.
                async with writing:
                    await _write(call, pb.CollectorMessage(batch=batch))
                lane.written()
            self._sendable.clear()
            await self._sendable.wait()

    async def _show(self, live: LiveLane, lane: DurableLane) -> None:
        while True:
            await self._sampled.wait()
            self._sampled.clear()
            # The durable lane mostly takes a frame within a millisecond, and then this one has nothing to do.
            await asyncio.sleep(LIVE_PATIENCE_SECONDS)
            if self._newest and lane.is_behind(self._newest[0].seq):
                await live.show(*self._newest)


async def _read(call: Ingest) -> pb.AggregatorMessage:
    """The next message; DisconnectedError if there is none."""
    try:
        message = await call.read()
    except grpc.aio.AioRpcError as error:
        raise _disconnected(error) from None
    if isinstance(message, pb.AggregatorMessage):
        return message
    raise DisconnectedError("it has ended the stream")


async def _write(call: Ingest | Live, message: pb.CollectorMessage | pb.LiveMessage) -> None:
    """Send a message; DisconnectedError if the call has ended."""
    try:
        await call.write(message)  # type: ignore[arg-type]  # each call is given its own kind of message
    except grpc.aio.AioRpcError as error:
        raise _disconnected(error) from None
    except asyncio.InvalidStateError:
        # gRPC's word for writing to a call that ended in the meantime.
        raise DisconnectedError(await call.details() or "it has ended the call") from None


def _disconnected(error: grpc.aio.AioRpcError) -> DisconnectedError:
    return DisconnectedError(f"{error.code().name}: {error.details()}")


@contextmanager
def _coarse_timers() -> Iterator[None]:
    """Let the threads that gRPC starts meanwhile be woken up to 50 ms late.

    They wake many times a second to see that nothing is to be done; the kernel may then let several wake at once, which
    about halves what an idle collector costs. Threads inherit the slack of the one that starts them; this thread, which
    keeps the grid of the samples, gets its own back.
    """
    try:
        before = _TIMER_SLACK.read_text()
        _TIMER_SLACK.write_text(str(_IDLE_SLACK_NS))
    except OSError:
        # A kernel or a sandbox without it: gRPC then costs what it costs.
        yield
        return
    try:
        yield
    finally:
        _TIMER_SLACK.write_text(before)
