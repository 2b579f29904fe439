"""A small real gRPC server that speaks the protocol as a test's script tells it to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.wire import Sealer, Unsealer

M = TypeVar("M", bound=Message)
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Script = Callable[["ScriptedHub", "Call"], Awaitable[None]]

WINDOW = 8


class Call:
    """One call of the durable lane, as its script sees it: iterate over what comes, say what is to be said."""

    def __init__(self, hello: pb.Hello, messages: AsyncIterator[pb.CollectorMessage], context: Context) -> None:
        self.hello = hello
        self.context = context
        self._messages = messages
        self._sealer = Sealer()

    def __aiter__(self) -> AsyncIterator[pb.CollectorMessage]:
        return self._messages

    async def say(self, message: pb.AggregatorMessage, damage: int = 0) -> None:
        """`damage` is what the checksum is wrong by."""
        sealed = self._sealer.seal(message)
        sealed.crc32 ^= damage
        await self.context.write(sealed)

    async def welcome(self, window: int = WINDOW, frames_per_batch: int = 0) -> None:
        welcome = pb.Welcome(window=window, frames_per_batch=frames_per_batch)
        await self.say(pb.AggregatorMessage(welcome=welcome))

    async def ack(
        self, seq: int, window: int = WINDOW, frames_per_batch: int = 0, rejected: Sequence[pb.Rejection] = ()
    ) -> None:
        ack = pb.Ack(
            durable_seq=seq, window=window, frames_per_batch=frames_per_batch, rejected=rejected, received_seq=seq
        )
        await self.say(pb.AggregatorMessage(ack=ack))

    async def need(self, layout_id: bytes) -> None:
        await self.say(pb.AggregatorMessage(need_layout=pb.NeedLayout(layout_id=layout_id)))

    async def cursor(self, seq: int, time_us: int) -> None:
        await self.say(pb.AggregatorMessage(cursor=pb.Cursor(durable_seq=seq, time_us=time_us)))


async def opened(sealed: AsyncIterator[pb.Sealed], kind: type[M]) -> AsyncIterator[M]:
    unsealer = Unsealer(kind)
    async for one in sealed:
        yield unsealer.unseal(one)


class ScriptedHub(rpc.IngestServicer):
    """`scripts`: what to do with each call on the durable lane, in turn; the last one serves all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.hellos: list[pb.Hello] = []
        # The connection that each durable call came on.
        self.peers: list[str] = []
        self.batches: list[tuple[bytes, pb.Batch]] = []
        self.layouts: list[bytes] = []
        self.live: list[pb.LiveMessage] = []
        # What to do with each message of the live lane, besides keeping it.
        self.on_live: Callable[[pb.LiveMessage, Context], Awaitable[None]] | None = None

    @property
    def frames(self) -> list[pb.Frame]:
        return [frame for _, batch in self.batches for frame in batch.frames]

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.frames]

    @property
    def live_frames(self) -> list[pb.Frame]:
        return [message.frame for message in self.live if message.HasField("frame")]

    def seqs_of(self, stream: bytes) -> list[int]:
        return [frame.seq for one, batch in self.batches if one == stream for frame in batch.frames]

    async def Ingest(self, request_iterator: AsyncIterator[pb.Sealed], context: Context) -> None:
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        messages = opened(request_iterator, pb.CollectorMessage)
        hello = (await anext(messages)).hello
        self.hellos.append(hello)
        self.peers.append(context.peer())
        await script(self, Call(hello, messages, context))

    async def Live(self, request_iterator: AsyncIterator[pb.Sealed], context: Context) -> pb.LiveSummary:
        async for message in opened(request_iterator, pb.LiveMessage):
            self.live.append(message)
            if self.on_live:
                await self.on_live(message, context)
        return pb.LiveSummary()


def last_seq(batch: pb.Batch) -> int:
    return max([one.seq for one in batch.frames[-1:]] + [one.last_seq for one in batch.gaps[-1:]])


async def take_all(hub: ScriptedHub, call: Call) -> None:
    """What an aggregator does when all is well, but for the asking for layouts."""
    await call.welcome()
    await take(hub, call)


async def take(hub: ScriptedHub, call: Call) -> None:
    """That, after the welcome."""
    async for message in call:
        if message.HasField("batch"):
            hub.batches.append((call.hello.stream, message.batch))
            await call.ack(last_seq(message.batch))
        else:
            hub.layouts.append(message.layout.id)


@asynccontextmanager
async def serving(hub: ScriptedHub, port: int = 0) -> AsyncIterator[str]:
    """Its address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 5000)])
    rpc.add_IngestServicer_to_server(hub, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)


def free_address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"127.0.0.1:{sock.getsockname()[1]}"
