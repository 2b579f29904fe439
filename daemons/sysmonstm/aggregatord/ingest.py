"""The gRPC service: thin calls around sessions; what is taken goes live at once and to history in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm import logs
from sysmonstm.aggregatord.allowance import SHUT, Pace
from sysmonstm.aggregatord.connection import Connection, Connections, Unsealed
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.losses import Losses
from sysmonstm.aggregatord.pacing import Pacer
from sysmonstm.aggregatord.relay import peer_address
from sysmonstm.aggregatord.session import CheckedBatch, CheckedFrame, RejectedFrame, Session
from sysmonstm.aggregatord.sightings import History, Sightings
from sysmonstm.aggregatord.storms import Storms
from sysmonstm.aggregatord.tls import NotVouchedError, check_vouched
from sysmonstm.wire import DamagedError, RefusedError, Sealer, check_frame, check_hello

log = logs.logger(__name__)

# As long as a collector waits for its welcome.
HELLO_SECONDS = 20.0

# How long a collector that reads nothing can keep its refusal waiting.
LAST_WRITE_SECONDS = 5.0

# After as long without a word to a collector it is given one.
QUIET_SECONDS = 10.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def _now_us() -> int:
    return time.time_ns() // 1000


class FullError(Exception):
    """There is no room for now. The sentence says of what."""


# How a call ends that cannot go on. Load is never the collector's fault.
_STATUS = {
    RefusedError: grpc.StatusCode.INVALID_ARGUMENT,
    DamagedError: grpc.StatusCode.DATA_LOSS,
    FullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotVouchedError: grpc.StatusCode.PERMISSION_DENIED,
}
_ENDINGS = tuple(_STATUS)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service keeps to, as AggregatorSettings says: of windows, machines, bytes held and the age of frames."""

    window: int
    machines: int
    pending_bytes: int
    oldest_seconds: float


class IngestService(rpc.IngestServicer):
    """Takes frames from collectors."""

    def __init__(self, live: LivePublisher, history: History, limits: Limits) -> None:
        self._live = live
        self._history = history
        self._limits = limits
        self._open = False
        self._shut = False
        self._layouts = LayoutBook()
        self._connections = Connections()
        self._sightings = Sightings(live, history)
        self._pacer = Pacer(limits.pending_bytes, limits.window)
        self.losses = Losses()
        self.storms = Storms()
        self.frames = 0

    def shut(self) -> None:
        """The service is about to end: collectors are told to send no more, and go on hearing what is settled."""
        self._shut = True
        self.announce_window()

    def keep_to(self, limits: Limits) -> None:
        """Other limits hold from now on, also for collectors that are connected."""
        self._limits = limits
        self._pacer.keep_to(limits.pending_bytes, limits.window)
        for connection in self._connections:
            connection.session.keep_to(limits.oldest_seconds)
            connection.owed.set()

    @property
    def connections(self) -> int:
        """How many collectors are connected now."""
        return len(self._connections)

    @property
    def rejected(self) -> int:
        """How many frames were refused."""
        return self.losses.rejected

    def settled(self, batch: CheckedBatch) -> None:
        """History has committed a batch: its collector is owed an Ack."""
        session = batch.session
        session.settle(batch)
        self._pacer.settled(session, batch.size_bytes)
        self.losses.refused(session.machine, batch.rejected)
        self.losses.gaps(session.machine, batch.gaps)
        if connection := self._connections.of_session(session):
            connection.owed.set()

    def cursor(self, stream: bytes, durable_seq: int, time_us: int) -> None:
        """History has looked up what it has of a stream: whoever serves it is told, once."""
        for connection in self._connections.of_stream(stream):
            connection.cursor(pb.Cursor(durable_seq=durable_seq, time_us=time_us))

    def announce_window(self) -> None:
        """Tell collectors that history takes more, or no more, than when they were last told. Called twice a second.

        Those that have heard nothing for a while are told the same again: by that they see what vanished on the way.
        """
        now = time.monotonic()
        self._pacer.tick(now)
        was_open, self._open = self._open, not self._shut and self._history.takes_more(now)
        for connection in self._connections:
            shut = connection.session.allowance.shut
            if was_open != self._open or (shut and self._pace(connection.session).window):
                connection.owed.set()
            elif now - connection.told_at > QUIET_SECONDS:
                connection.session.ask_again()
                connection.want(connection.session.wanted_layouts())
                connection.owed.set()

    def _pace(self, session: Session) -> Pace:
        return self._pacer.pace(session) if self._open else SHUT

    async def Ingest(self, request_iterator: AsyncIterator[pb.Sealed], context: Context) -> None:
        """The durable lane of one collector."""
        messages = Unsealed(request_iterator, pb.CollectorMessage)
        hello = await self._greeted(messages, context)
        if self.connections >= (most := self._limits.machines):
            full = FullError(f"{most} collectors are connected already; AGGREGATOR_MACHINES lets there be more")
            await self._end(context, full, hello.machine)
        connection = Connection(Session(hello, self._layouts, self._limits.oldest_seconds))
        self._connections.add(connection)
        self._pacer.note(connection.session)
        self._sightings.meet(hello)
        peer = peer_address(context.peer())
        log.info("machine.connected", f"{hello.machine} has connected", machine=hello.machine, peer=peer)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(connection, context))
                ending = await self._read(connection, messages)
                connection.end()
                # What is being written leaves first: gRPC takes no status while it has a write of this call.
                await asyncio.wait({writer}, timeout=LAST_WRITE_SECONDS)
                writer.cancel()
        finally:
            self._connections.remove(connection)
            self._pacer.end(connection.session)
            log.info("machine.disconnected", f"{hello.machine} has disconnected", machine=hello.machine)
        if ending:
            await self._end(context, ending, hello.machine)

    async def Live(self, request_iterator: AsyncIterator[pb.Sealed], context: Context) -> pb.LiveSummary:
        """The live lane of one collector."""
        messages = Unsealed(request_iterator, pb.LiveMessage)
        hello = await self._greeted(messages, context)
        self._sightings.meet(hello)
        shown = 0
        try:
            async for message in messages:
                if message.WhichOneof("message") == "layout":
                    self._layouts.learn(message.layout)
                else:
                    shown += self._show(hello, message)
        except _ENDINGS as ending:
            await self._end(context, ending, hello.machine)
        return pb.LiveSummary(frames=shown)

    async def _greeted(
        self, messages: Unsealed[pb.CollectorMessage] | Unsealed[pb.LiveMessage], context: Context
    ) -> pb.Hello:
        """The hello that must come first."""
        hello = pb.Hello()
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first: pb.CollectorMessage | pb.LiveMessage = await anext(messages)
            hello = first.hello
            check_hello(hello)
            check_vouched(hello.machine, context.auth_context())
            self._check_room(hello.machine)
        except (TimeoutError, StopAsyncIteration):
            await self._end(context, RefusedError(f"it said no hello within {HELLO_SECONDS:.0f} s"), "")
        except _ENDINGS as ending:
            await self._end(context, ending, "")
        return hello

    def _check_room(self, machine: str) -> None:
        most = self._limits.machines
        if not self._live.knows(machine) and self._live.machines >= most:
            raise FullError(f"the fleet has {most} machines already; AGGREGATOR_MACHINES lets it have more")

    async def _end(self, context: Context, ending: Exception, machine: str) -> None:
        peer, status = peer_address(context.peer()), _status(ending)
        if isinstance(ending, DamagedError):
            self.losses.damage(machine, peer, str(ending))
        else:
            log.warning(
                "collector.refused", "a collector's call is ended", machine=machine, peer=peer, reason=str(ending)
            )
        await context.abort(status, str(ending))

    async def _read(self, connection: Connection, messages: Unsealed[pb.CollectorMessage]) -> Exception | None:
        """Take messages until the collector has no more, or its call cannot go on."""
        session = connection.session
        try:
            async for message in messages:
                if message.WhichOneof("message") == "layout":
                    self._learn(session, message.layout)
                else:
                    session.batch(message.batch, messages.size_bytes)
                    self._pacer.note(session)
                    connection.skew_us = self._sightings.clock(session.machine, message.batch.sent_us, _now_us())
                await self._take(connection)
                connection.want(session.wanted_layouts())
        except _ENDINGS as ending:
            return ending
        return None

    def _learn(self, session: Session, message: pb.Layout) -> None:
        try:
            self._layouts.learn(message)
        except RefusedError as refusal:
            if not session.layout_refused(message.id, str(refusal)):
                raise
        else:
            session.layout_came(message.id)

    async def _take(self, connection: Connection) -> None:
        """Pass on all that is complete: the newest frame to live, everything to history."""
        session = connection.session
        for batch in session.checked(_now_us()):
            if batch is None:
                await asyncio.sleep(0)
                continue
            self.frames += len(batch.frames)
            if batch.frames:
                self._sightings.durable(session.hello, batch.frames[-1], connection.skew_us, _now_us())
            self.storms.thin(batch, time.monotonic())
            self._history.offer(batch)

    def _show(self, hello: pb.Hello, message: pb.LiveMessage) -> bool:
        """Show a live frame; False if it is refused, which does not end its call."""
        frame, now_us = message.frame, _now_us()
        # They come by the other lane, which is the one that counts.
        frame.ClearField("events")
        layout = self._layouts.get(frame.layout_id)
        if layout is None:
            raise RefusedError("a live frame came before its layout")
        skew = self._sightings.clock(hello.machine, message.sent_us, now_us)
        try:
            check_frame(frame, layout, now_us, now_us - int(self._limits.oldest_seconds * 1e6))
        except RefusedError as refusal:
            self.losses.refused(hello.machine, [RejectedFrame(frame, layout, str(refusal))])
            return False
        self._sightings.show(hello, CheckedFrame(frame, layout), skew, now_us)
        return True

    async def _write(self, connection: Connection, context: Context) -> None:
        """Write the welcome, and then what is owed, until the connection is ended or the collector has gone."""
        session, sealer = connection.session, Sealer()
        try:
            await context.write(sealer.seal(pb.AggregatorMessage(welcome=session.welcome(self._pace(session)))))
            self._pacer.note(session)
            connection.told_at = time.monotonic()
            while not connection.ended:
                await connection.owed.wait()
                connection.owed.clear()
                connection.told_at = time.monotonic()
                messages = connection.due(self._pace(session))
                self._pacer.note(session)
                for message in messages:
                    await context.write(sealer.seal(message))
        except grpc.aio.BaseError:
            # gRPC's words for a call, or a server, that ended meanwhile; it is about to cancel this one.
            return


def _status(ending: Exception) -> grpc.StatusCode:
    return next(status for kind, status in _STATUS.items() if isinstance(ending, kind))
