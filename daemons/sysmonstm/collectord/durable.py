"""The durable lane: one call for one stream, which sends what the outbox has of it and forgets what is acknowledged."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.collectord.calls import DisconnectedError, IngestCall
from sysmonstm.collectord.lane import MAX_BATCH_BYTES, DurableLane
from sysmonstm.collectord.live import Newest, now_us
from sysmonstm.collectord.pulse import UNWATCHED, Pulse
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.wire import layout_to_wire

log = logs.logger(__name__)

WELCOME_SECONDS = 20.0

# The loops of a call. They wait for news, for the disk and for the peer, however long: none of those is a reason to
# start anew. What they do between those must not stand still.
SENDING = "uplink.send"
ACTING = "uplink.act"


@dataclass(slots=True)
class Tally:
    """How many frames aggregators have refused, how often they have settled some, and who is told of those then.

    `left` is the stream and the seq of the newest frame that the durable lane of any connection has sent.
    """

    refused: int = 0
    settlements: int = 0
    left: tuple[bytes, int] = (b"", 0)
    on_acknowledged: Callable[[bytes, int], None] | None = None

    def settle(self, stream: bytes, seq: int) -> None:
        """Everything of a stream up to a seq is settled, and forgotten here."""
        self.settlements += 1
        if self.on_acknowledged:
            self.on_acknowledged(stream, seq)


class DurableCall:
    """Serves the stream of one hello. Hearing never waits for the disk, so that the end of the call is always heard."""

    def __init__(
        self, call: IngestCall, hello: pb.Hello, outbox: Outbox, tally: Tally, pulse: Pulse = UNWATCHED
    ) -> None:
        self._call = call
        self._hello = hello
        self._outbox = outbox
        self._tally = tally
        self._pulse = pulse
        self._lane = DurableLane(hello.stream, pb.Welcome())
        self._sendable = asyncio.Event()
        # What was heard and has yet to be acted on, which may need the disk.
        self._heard = asyncio.Event()
        self._settled_seq = 0
        self._cursor: pb.Cursor | None = None
        self._wanted_layouts: list[bytes] = []

    @property
    def window_is_open(self) -> bool:
        """Whether the aggregator takes batches for now."""
        return self._lane.window_is_open

    def is_behind(self, newest: Newest) -> bool:
        """Whether this frame has yet to leave here."""
        return self._lane.is_behind(newest.stream, newest.frame.seq)

    def wake(self) -> None:
        """The outbox has more to send."""
        self._sendable.set()

    async def serve(self, welcomed: Callable[[], None]) -> None:
        """Send until the stream has nothing left and another one has; DisconnectedError if the call ends before.

        `welcomed` is called when the aggregator takes the stream.
        """
        ended: DisconnectedError | None = None
        try:
            self._lane = DurableLane(self._hello.stream, await self._welcome())
            welcomed()
            async with asyncio.TaskGroup() as tasks:
                hearing = [tasks.create_task(loop) for loop in (self._receive(), self._act())]
                await self._send()
                for task in hearing:
                    task.cancel()
        except* DisconnectedError as errors:
            ended = next(one for one in errors.exceptions if isinstance(one, DisconnectedError))
        finally:
            self._call.end()
            for loop in (ACTING, SENDING):
                self._pulse.ended(loop)
        if ended:
            raise ended

    async def _welcome(self) -> pb.Welcome:
        """Say hello; what the aggregator answers."""
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await self._call.write(pb.CollectorMessage(hello=self._hello))
                return (await self._call.read()).welcome
        except TimeoutError:
            raise DisconnectedError(f"no welcome within {WELCOME_SECONDS:.0f} s") from None

    async def _receive(self) -> None:
        while True:
            message = await self._call.read()
            match message.WhichOneof("message"):
                case "ack":
                    if self._lane.has_stalled(message.ack, time.monotonic()):
                        raise DisconnectedError("what was sent long ago has not come")
                    self._settled_seq = self._lane.acknowledge(message.ack)
                    self._count(message.ack.rejected)
                    self._heard.set()
                case "cursor":
                    self._cursor = message.cursor
                    self._heard.set()
                case "need_layout":
                    self._wanted_layouts.append(message.need_layout.layout_id)
            self._sendable.set()

    def _count(self, rejected: Sequence[pb.Rejection]) -> None:
        if rejected and not self._tally.refused:
            log.error(
                "frames.rejected",
                "the aggregator refuses samples, which it keeps apart; said once, counted in agent.refused",
                first_seq=rejected[0].seq,
                reason=rejected[0].reason,
            )
        self._tally.refused += len(rejected)

    async def _act(self) -> None:
        """Do what was heard, for ever."""
        forgotten = 0
        while True:
            with self._pulse.waits(ACTING, at_most=math.inf):
                await self._heard.wait()
            self._heard.clear()
            if cursor := self._cursor:
                self._cursor = None
                # A disk that hangs holds up nothing else, and a new collector would find it hanging too.
                with self._pulse.waits(ACTING, at_most=math.inf):
                    await self._check(cursor)
            if (settled := self._settled_seq) > forgotten:
                forgotten = settled
                await self._outbox.acknowledge(self._lane.stream, settled)
                self._tally.settle(self._lane.stream, settled)
            # The stream may be drained now.
            self._sendable.set()

    async def _check(self, cursor: pb.Cursor) -> None:
        """Go on with a new stream if the database has frames of this one that this spool has never issued."""
        stream = self._lane.stream
        if stream != self._outbox.current_stream:
            return
        issued = self._outbox.newest_seq(stream)
        if cursor.durable_seq <= issued:
            here_us = await self._outbox.time_of(stream, cursor.durable_seq)
            if not here_us or not cursor.time_us or here_us == cursor.time_us:
                return
        log.warning(
            "spool.restored",
            "the spool is older than what the database has of it: a copy was put back, or the power was cut; "
            "new samples go to a new stream, so that none is lost",
            durable_seq=cursor.durable_seq,
            issued_seq=issued,
        )
        await self._outbox.rotate()

    async def _send(self) -> None:
        """Send batches, and layouts that were asked for, until another stream is to be served."""
        while self._outbox.first_stream() == self._lane.stream:
            self._sendable.clear()
            await self._send_layouts()
            while batch := await self._next_batch():
                await self._write(pb.CollectorMessage(batch=batch))
                self._lane.written(time.monotonic())
                self._tally.left = self._lane.stream, self._lane.written_frame
                await self._send_layouts()
            with self._pulse.waits(SENDING, at_most=math.inf):
                await self._sendable.wait()

    async def _write(self, message: pb.CollectorMessage) -> None:
        # A connection that takes nothing is found dead by its keepalive, or an aggregator stands still.
        with self._pulse.waits(SENDING, at_most=math.inf):
            await self._call.write(message)

    async def _send_layouts(self) -> None:
        while self._wanted_layouts:
            with self._pulse.waits(SENDING, at_most=math.inf):
                layout = await self._outbox.layout(self._wanted_layouts[0])
            if layout is None:
                # It keeps the frames that were shed here until it has their layout, and would never take another.
                raise DisconnectedError("it waits for the layout of samples that were shed")
            await self._write(pb.CollectorMessage(layout=layout_to_wire(layout)))
            del self._wanted_layouts[0]

    async def _next_batch(self) -> pb.Batch | None:
        most_frames = self._lane.most_frames
        if not most_frames:
            return None
        with self._pulse.waits(SENDING, at_most=math.inf):
            portion = await self._outbox.read(self._lane.stream, self._lane.sent_seq, most_frames, MAX_BATCH_BYTES)
        return self._lane.batch(portion, now_us())
