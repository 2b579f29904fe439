"""One connection to one aggregator: a call for each stream in turn, the oldest first, and the live lane beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.collectord.calls import DisconnectedError, IngestCall
from sysmonstm.collectord.durable import DurableCall, Tally
from sysmonstm.collectord.live import LiveLane, Newest, hello_of
from sysmonstm.collectord.pulse import UNWATCHED, Pulse
from sysmonstm.collectord.spool.outbox import Outbox


class Connection:
    """Carries the outbox over one channel."""

    def __init__(
        self, stub: rpc.IngestStub, hello: pb.Hello, outbox: Outbox, tally: Tally, pulse: Pulse = UNWATCHED
    ) -> None:
        self._stub = stub
        self._hello = hello
        self._outbox = outbox
        self._tally = tally
        self._durable: DurableCall | None = None
        self._pulse = pulse
        self._live = LiveLane(stub, hello, self._is_behind, pulse)
        self._hung_up = asyncio.Event()
        self._reason = ""
        self._welcomed = asyncio.Event()

    @property
    def window_is_open(self) -> bool:
        """Whether the aggregator takes batches for now."""
        return self._durable is not None and self._durable.window_is_open

    def offer(self, newest: Newest) -> None:
        """The outbox has one more frame."""
        if self._durable:
            self._durable.wake()
        self._live.offer(newest)

    def hang_up(self, reason: str) -> None:
        """End the connection."""
        self._reason = reason
        self._hung_up.set()

    async def run(self, welcomed: Callable[[], None]) -> None:
        """Send until the connection breaks, which raises DisconnectedError; `welcomed` is called when it is made."""
        ended: DisconnectedError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._serve_streams())
                tasks.create_task(self._until_hung_up())
                await self._welcomed.wait()
                welcomed()
                await self._live.run()
        except* DisconnectedError as errors:
            ended = next(one for one in errors.exceptions if isinstance(one, DisconnectedError))
        if ended:
            raise ended

    async def _until_hung_up(self) -> None:
        await self._hung_up.wait()
        raise DisconnectedError(self._reason)

    async def _serve_streams(self) -> None:
        while True:
            hello = hello_of(self._hello, self._outbox.first_stream())
            self._durable = DurableCall(IngestCall(self._stub), hello, self._outbox, self._tally, self._pulse)
            await self._durable.serve(self._welcomed.set)

    def _is_behind(self, newest: Newest) -> bool:
        place = newest.stream, newest.frame.seq
        if place == self._tally.left and newest.frame.seq <= self._outbox.acknowledged_seq(newest.stream):
            # It left by a connection before this one. What only a gap tells of has not left.
            return False
        return self._durable is None or self._durable.is_behind(newest)
