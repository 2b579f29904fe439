"""The gRPC service: thin calls around sessions; what is taken goes live at once and to history in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm import logs
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.relay import peer_address
from sysmonstm.aggregatord.session import CheckedBatch, Session
from sysmonstm.wire import RefusedError, check_frame, check_hello

log = logs.logger(__name__)

SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),
    # Before 1.84 grpcio inflates a gzip bomb before it looks at the size limit: take no compression.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # Collectors ping every 20 s to find a dead hub; a dead collector is found as quickly.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_concurrent_streams", 4),
]

# Calls may take this long to end once the server stops.
GRACE_SECONDS = 2.0

# How long a collector that reads nothing can keep its refusal waiting.
LAST_WRITE_SECONDS = 5.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def _now_us() -> int:
    return time.time_ns() // 1000


class Connection:
    """A session on a call, and what is to be written to it. Only one task writes: gRPC takes one write at a time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.wanted_layouts: list[bytes] = []
        self.owed = asyncio.Event()
        self.ended = False

    def end(self) -> None:
        """Nothing more is to be written."""
        self.ended = True
        self.owed.set()

    def want(self, layouts: list[bytes]) -> None:
        """Ask the collector for layouts."""
        if layouts:
            self.wanted_layouts += layouts
            self.owed.set()

    def due(self, window: int) -> list[pb.AggregatorMessage]:
        """What to write now."""
        wanted, self.wanted_layouts = self.wanted_layouts, []
        asked = [pb.AggregatorMessage(need_layout=pb.NeedLayout(layout_id=one)) for one in wanted]
        return [*asked, pb.AggregatorMessage(ack=self.session.ack(window))]


class IngestService(rpc.IngestServicer):
    """Takes frames from collectors."""

    def __init__(self, live: LivePublisher, history: HistoryWriter, window: int, most_machines: int) -> None:
        self._live = live
        self._history = history
        self._window = window
        self._most_machines = most_machines
        self._open = False
        self._layouts = LayoutBook()
        self._connections: dict[int, Connection] = {}
        # Machines whose refused frames have been logged.
        self._rejecting: set[str] = set()
        self.frames = 0
        self.rejected = 0

    @property
    def connections(self) -> int:
        """How many collectors are connected now."""
        return len(self._connections)

    def settled(self, batch: CheckedBatch) -> None:
        """History has committed a batch: its collector is owed an Ack."""
        batch.session.settle(batch)
        if connection := self._connections.get(id(batch.session)):
            connection.owed.set()

    def announce_window(self) -> None:
        """Tell every collector if history takes more, or no more, than when they were last told."""
        takes_more = self._history.takes_more(time.monotonic())
        if takes_more != self._open:
            self._open = takes_more
            for connection in self._connections.values():
                connection.owed.set()

    def _window_now(self) -> int:
        return self._window if self._open else 0

    async def Ingest(self, request_iterator: AsyncIterator[pb.CollectorMessage], context: Context) -> None:
        """The durable lane of one collector."""
        hello = await self._greeted(request_iterator, context)
        connection = Connection(Session(hello, self._layouts, self._window))
        self._connections[id(connection.session)] = connection
        peer = peer_address(context.peer())
        log.info("machine.connected", f"{hello.machine} has connected", machine=hello.machine, peer=peer)
        try:
            welcome = pb.AggregatorMessage(welcome=pb.Welcome(window=self._window_now()))
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(connection, welcome, context))
                refusal = await self._read(connection, request_iterator)
                connection.end()
                # What is being written leaves first: gRPC takes no status while it has a write of this call.
                await asyncio.wait({writer}, timeout=LAST_WRITE_SECONDS)
                writer.cancel()
        finally:
            del self._connections[id(connection.session)]
            log.info("machine.disconnected", f"{hello.machine} has disconnected", machine=hello.machine)
        if refusal:
            await self._refuse(context, refusal)

    async def Live(self, request_iterator: AsyncIterator[pb.LiveMessage], context: Context) -> pb.LiveSummary:
        """The live lane of one collector."""
        hello = await self._greeted(request_iterator, context)
        shown = 0
        try:
            async for message in request_iterator:
                if message.WhichOneof("message") == "layout":
                    self._layouts.learn(message.layout)
                else:
                    shown += self._show(hello, message.frame)
        except RefusedError as refusal:
            await self._refuse(context, refusal)
        return pb.LiveSummary(frames=shown)

    async def _greeted(
        self, messages: AsyncIterator[pb.CollectorMessage] | AsyncIterator[pb.LiveMessage], context: Context
    ) -> pb.Hello:
        """The hello that must come first."""
        hello = pb.Hello()
        async for message in messages:
            hello = message.hello
            break
        try:
            check_hello(hello)
            self._check_room(hello.machine)
        except RefusedError as refusal:
            await self._refuse(context, refusal)
        self._live.hello(hello)
        self._history.hello(hello)
        return hello

    def _check_room(self, machine: str) -> None:
        most = self._most_machines
        if not self._live.knows(machine) and self._live.machines >= most:
            raise RefusedError(f"the fleet has {most} machines already; AGGREGATOR_MACHINES lets it have more")

    async def _refuse(self, context: Context, refusal: RefusedError) -> None:
        log.warning(
            "collector.refused",
            "a collector does not keep the protocol",
            peer=peer_address(context.peer()),
            why=str(refusal),
        )
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))

    async def _read(self, connection: Connection, messages: AsyncIterator[pb.CollectorMessage]) -> RefusedError | None:
        """Take messages until the collector has no more, or does not keep the protocol."""
        session = connection.session
        try:
            async for message in messages:
                if message.WhichOneof("message") == "layout":
                    self._layouts.learn(message.layout)
                    session.layout_came(message.layout.id)
                else:
                    session.batch(message.batch)
                self._take(session)
                connection.want(session.wanted_layouts())
        except RefusedError as refusal:
            return refusal
        return None

    def _take(self, session: Session) -> None:
        """Pass on all that is complete: the newest frame to live, everything to history."""
        now_us = _now_us()
        for batch in session.checked(now_us):
            self.frames += len(batch.frames)
            self._count_rejections(session.machine, batch.rejected)
            if batch.frames:
                newest = batch.frames[-1]
                self._live.frame(session.machine, session.stream, newest.layout, newest.frame, now_us)
            self._history.offer(batch)

    def _count_rejections(self, machine: str, rejected: list[pb.Rejection]) -> None:
        self.rejected += len(rejected)
        if rejected and machine not in self._rejecting:
            self._rejecting.add(machine)
            log.warning(
                "frames.rejected",
                f"frames of {machine} are refused and will never be stored; said once",
                machine=machine,
                first_seq=rejected[0].seq,
                reason=rejected[0].reason,
            )

    def _show(self, hello: pb.Hello, frame: pb.Frame) -> bool:
        """Show a live frame; False if it is refused, which does not end its call."""
        layout = self._layouts.get(frame.layout_id)
        if layout is None:
            raise RefusedError("a live frame came before its layout")
        now_us = _now_us()
        try:
            check_frame(frame, layout, now_us)
        except RefusedError as refusal:
            self._count_rejections(hello.machine, [pb.Rejection(seq=frame.seq, reason=str(refusal))])
            return False
        self._live.frame(hello.machine, hello.stream, layout, frame, now_us)
        return True

    async def _write(self, connection: Connection, welcome: pb.AggregatorMessage, context: Context) -> None:
        """Write the welcome, and then what is owed, until the connection is ended or the collector has gone."""
        try:
            await context.write(welcome)
            while not connection.ended:
                await connection.owed.wait()
                connection.owed.clear()
                for message in connection.due(self._window_now()):
                    await context.write(message)
        except grpc.aio.InternalError:
            # gRPC's word for a call that ended meanwhile; it is about to cancel this one.
            return


@asynccontextmanager
async def listening(service: IngestService, address: str) -> AsyncIterator[None]:
    """The service on one of gRPC's addresses ("unix-abstract:name") for as long as the block."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    rpc.add_IngestServicer_to_server(service, server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)
