"""The live lane: shows the newest sample, latest wins, while the durable lane is behind."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm import logs
from sysmonstm.collectord.calls import DisconnectedError, LiveCall
from sysmonstm.collectord.pulse import UNWATCHED, Pulse
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_to_wire, without_events

log = logs.logger(__name__)

# The durable lane mostly takes a frame within a millisecond or two, and then this one has nothing to do.
PATIENCE_SECONDS = 0.05
AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest frame, the stream that it is of, and its layout."""

    stream: bytes
    frame: pb.Frame
    layout: Layout


class LiveLane:
    """Shows frames on one connection. A call is made when the first is shown, and anew for another stream."""

    def __init__(
        self, stub: rpc.IngestStub, hello: pb.Hello, is_behind: Callable[[Newest], bool], pulse: Pulse = UNWATCHED
    ) -> None:
        """`hello` is completed with the stream; `is_behind` says whether a frame has yet to leave by the other lane."""
        self._stub = stub
        self._hello = hello
        self._is_behind = is_behind
        self._pulse = pulse
        self._newest: Newest | None = None
        self._fresh = asyncio.Event()
        self._call: LiveCall | None = None
        self._stream = b""
        self._layout_id = b""

    def offer(self, newest: Newest) -> None:
        """This is the newest frame now."""
        self._newest = newest
        self._fresh.set()

    async def run(self) -> None:
        """Show what is to be shown, for ever. That a call of this lane fails costs the other lane nothing."""
        try:
            while True:
                # There may be nothing to show for as long as the interval is.
                with self._pulse.waits("uplink.live", at_most=math.inf):
                    await self._fresh.wait()
                self._fresh.clear()
                await asyncio.sleep(PATIENCE_SECONDS)
                if self._newest and self._is_behind(self._newest):
                    await self._try_to_show(self._newest)
        finally:
            self._pulse.ended("uplink.live")

    async def _try_to_show(self, newest: Newest) -> None:
        try:
            # A connection that takes nothing is found dead by its keepalive, or an aggregator stands still.
            with self._pulse.waits("uplink.live", at_most=math.inf):
                await self._show(newest)
        except DisconnectedError as error:
            log.debug("live.ended", "the live lane's call has ended; another is made", reason=str(error))
            self._hang_up()
            await asyncio.sleep(AGAIN_SECONDS)
            self._fresh.set()

    async def _show(self, newest: Newest) -> None:
        if self._stream != newest.stream:
            self._hang_up()
        if self._call is None:
            self._call, self._stream = LiveCall(self._stub), newest.stream
            await self._call.write(pb.LiveMessage(hello=hello_of(self._hello, newest.stream)))
        if self._layout_id != newest.layout.id:
            self._layout_id = newest.layout.id
            await self._call.write(pb.LiveMessage(layout=layout_to_wire(newest.layout)))
        await self._call.write(pb.LiveMessage(frame=without_events(newest.frame), sent_us=now_us()))

    def _hang_up(self) -> None:
        if self._call is not None:
            self._call.end()
        self._call, self._stream, self._layout_id = None, b"", b""


def hello_of(template: pb.Hello, stream: bytes) -> pb.Hello:
    """The hello of a call that is about this stream."""
    hello = pb.Hello()
    hello.CopyFrom(template)
    hello.stream = stream
    return hello


def now_us() -> int:
    """This machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000
