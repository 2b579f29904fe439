"""The durable lane spoken word for word, for what the product's own collector never says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.metric import Layout
from sysmonstm.wire import Sealer, Unsealer, layout_to_wire

ANSWER_SECONDS = 60

Call: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"


class RawSession:
    """One call, of one stream, that has been welcomed."""

    def __init__(self, call: Call, layouts: Mapping[bytes, Layout]) -> None:
        self._call = call
        self._sealer = Sealer()
        self._unsealer = Unsealer(pb.AggregatorMessage)
        self._layouts = layouts
        self.window = 0
        self.frames_per_batch = 0
        self.durable_seq = 0

    async def send(self, frames: Sequence[pb.Frame]) -> None:
        """These, in batches as large as they may be, each settled before the next."""
        rest = list(frames)
        while rest:
            while not self.window:
                await self.hear()
            most = self.frames_per_batch or len(rest)
            batch, rest = rest[:most], rest[most:]
            message = pb.Batch(frames=batch, sent_us=batch[-1].time_us)
            await self.say(pb.CollectorMessage(batch=message))
            await self.settled(batch[-1].seq)

    async def say(self, message: pb.CollectorMessage) -> None:
        """Send a message."""
        await self._call.write(self._sealer.seal(message))

    async def settled(self, seq: int) -> None:
        """Wait until everything up to `seq` is."""
        while self.durable_seq < seq:
            await self.hear()

    async def hear(self) -> None:
        """Take one message in."""
        sealed = await asyncio.wait_for(self._call.read(), ANSWER_SECONDS)
        assert isinstance(sealed, pb.Sealed), "the call has ended"
        message = self._unsealer.unseal(sealed)
        match message.WhichOneof("message"):
            case "welcome":
                self.window, self.frames_per_batch = message.welcome.window, message.welcome.frames_per_batch
            case "ack":
                self.window, self.frames_per_batch = message.ack.window, message.ack.frames_per_batch
                self.durable_seq = max(self.durable_seq, message.ack.durable_seq)
            case "need_layout":
                layout = layout_to_wire(self._layouts[message.need_layout.layout_id])
                await self.say(pb.CollectorMessage(layout=layout))


@asynccontextmanager
async def session(address: str, hello: pb.Hello, layouts: Mapping[bytes, Layout]) -> AsyncIterator[RawSession]:
    """Say hello on a connection of its own."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = rpc.IngestStub(channel).Ingest(wait_for_ready=True)
        made = RawSession(call, layouts)
        await made.say(pb.CollectorMessage(hello=hello))
        await made.hear()
        yield made
        call.cancel()
