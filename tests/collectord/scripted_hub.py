"""A small real gRPC server that speaks the protocol as a test's script tells it to."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.collectord.backlog import Backlog
from sysmonstm.collectord.uplink import Uplink

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Script = Callable[["ScriptedHub", AsyncIterator[pb.CollectorMessage], Context], Awaitable[None]]

HELLO = pb.Hello(machine="web1", stream=b"s" * 16, interval_seconds=5.0, agent_version="0.1.0")


class ScriptedHub(rpc.IngestServicer):
    """`scripts`: what to do with each call on the durable lane, in turn; the last one serves all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.hellos: list[pb.Hello] = []
        self.frames: list[pb.Frame] = []
        self.layouts: list[bytes] = []
        self.live: list[pb.LiveMessage] = []

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.frames]

    async def Ingest(self, request_iterator: AsyncIterator[pb.CollectorMessage], context: Context) -> None:
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        messages = aiter(request_iterator)
        self.hellos.append((await anext(messages)).hello)
        await script(self, messages, context)

    async def Live(self, request_iterator: AsyncIterator[pb.LiveMessage], context: Context) -> pb.LiveSummary:
        async for message in request_iterator:
            self.live.append(message)
        return pb.LiveSummary()


async def welcome(context: Context, window: int = 8) -> None:
    await context.write(pb.AggregatorMessage(welcome=pb.Welcome(window=window)))


async def take_all(hub: ScriptedHub, messages: AsyncIterator[pb.CollectorMessage], context: Context) -> None:
    """What an aggregator does when all is well, but for the asking for layouts."""
    await welcome(context)
    async for message in messages:
        if message.HasField("batch"):
            hub.frames += message.batch.frames
            ack = pb.Ack(durable_seq=message.batch.frames[-1].seq, window=8)
            await context.write(pb.AggregatorMessage(ack=ack))
        else:
            hub.layouts.append(message.layout.id)


@asynccontextmanager
async def serving(hub: ScriptedHub, port: int = 0) -> AsyncIterator[str]:
    """Its address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
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


class _NoWait(random.Random):
    """Every wait before a new try is short."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, 0.05)


@asynccontextmanager
async def uplinked(*addresses: str, backlog: Backlog | None = None) -> AsyncIterator[tuple[Uplink, Backlog]]:
    """An Uplink that runs for as long as the block."""
    # Not `or`: an empty one is false.
    backlog = Backlog(10**7) if backlog is None else backlog
    uplink = Uplink(HELLO, addresses, backlog, _NoWait())
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink, backlog
        assert not task.done(), "it stays connected, for ever"
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error
