"""The service as collectors meet it, gRPC through the relay on real stores, and what a collector does on a call."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import grpc
import psycopg

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm import bus
from sysmonstm.aggregatord.__main__ import Wiring
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.ingest import IngestService, Limits
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.relay import Relay
from sysmonstm.aggregatord.server import listening
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.aggregatord.sightings import History
from sysmonstm.wire import Sealer, Unsealer, layout_to_wire
from tests.aggregatord.samples import OLDEST_SECONDS, WINDOW, batch, hello, layout

Call = grpc.aio.StreamStreamCall[pb.Sealed, pb.Sealed]
AnyCall = Call | grpc.aio.StreamUnaryCall[pb.Sealed, pb.LiveSummary]
# Of each call, for each has a count of its own.
_SEALERS: WeakKeyDictionary[AnyCall, Sealer] = WeakKeyDictionary()
_UNSEALERS: WeakKeyDictionary[Call, Unsealer[pb.AggregatorMessage]] = WeakKeyDictionary()
NOWHERE = "postgresql://u@127.0.0.1:1/x"
MOST_MACHINES = 50
LIMITS = Limits(WINDOW, MOST_MACHINES, 64 * 1024 * 1024, OLDEST_SECONDS)


class HistoryOfNone:
    """A database that never answers, and what was handed over for it."""

    def __init__(self, takes_more: bool = True) -> None:
        self.open = takes_more
        self.offered: list[CheckedBatch] = []
        self.hellos: list[pb.Hello] = []
        self.skews: list[tuple[str, float]] = []

    def hello(self, hello: pb.Hello) -> None:
        self.hellos.append(hello)

    def offer(self, batch: CheckedBatch) -> None:
        self.offered.append(batch)

    def skew(self, machine: str, seconds: float) -> None:
        self.skews.append((machine, seconds))

    def takes_more(self, now: float) -> bool:
        return self.open


@dataclass
class Hub:
    address: str
    ingest: IngestService
    live: LivePublisher
    relay: Relay


@asynccontextmanager
async def serving(redis_url: str, database_url: str) -> AsyncIterator[Hub]:
    """A hub whose history is a real one."""
    history = HistoryWriter(database_url, 0.01, 2**30)
    async with serving_for(redis_url, history) as hub, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(history.run(Wiring(hub.live, hub.ingest)))
        try:
            yield hub
        finally:
            writing.cancel()


@asynccontextmanager
async def serving_for(redis_url: str, history: History, limits: Limits = LIMITS) -> AsyncIterator[Hub]:
    async with bus.connect(redis_url) as redis:
        live = LivePublisher(redis, lambda: None)
        ingest = IngestService(live, history, limits)
        name = f"sysmon-test/{secrets.token_hex(8)}"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            relay = Relay([listener], f"\0{name}")
            async with asyncio.TaskGroup() as tasks, listening(ingest, f"unix-abstract:{name}"):
                loops = [tasks.create_task(live.run()), tasks.create_task(_announce(ingest))]
                relay.start()
                try:
                    yield Hub(f"127.0.0.1:{listener.getsockname()[1]}", ingest, live, relay)
                finally:
                    relay.stop_accepting()
                    relay.close()
                    for loop in loops:
                        loop.cancel()


async def _announce(ingest: IngestService) -> None:
    while True:
        ingest.announce_window()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def collector(hub: Hub) -> AsyncIterator[rpc.IngestStub]:
    async with grpc.aio.insecure_channel(hub.address) as channel:
        yield rpc.IngestStub(channel)


def sealed(call: AnyCall, message: pb.CollectorMessage | pb.LiveMessage) -> pb.Sealed:
    """The next message of a call."""
    return _SEALERS.setdefault(call, Sealer()).seal(message)


async def write(call: AnyCall, message: pb.CollectorMessage | pb.LiveMessage) -> None:
    await call.write(sealed(call, message))


async def say(call: Call, **message: pb.Hello | pb.Layout | pb.Batch) -> None:
    await write(call, pb.CollectorMessage(**message))  # type: ignore[arg-type]


async def greeted(stub: rpc.IngestStub, machine: str = "web1") -> tuple[Call, pb.Welcome]:
    call: Call = stub.Ingest()
    await say(call, hello=hello(machine))
    first = await read(call)
    assert first.WhichOneof("message") == "welcome"
    return call, first.welcome


async def welcomed(stub: rpc.IngestStub, machine: str = "web1") -> Call:
    """A call on which batches may be sent."""
    call, welcome = await greeted(stub, machine)
    if not welcome.window:
        await heard(call, lambda message: message.ack.window > 0)
    return call


async def read(call: Call) -> pb.AggregatorMessage:
    async with asyncio.timeout(30):
        one = await call.read()
    assert isinstance(one, pb.Sealed), await call.code()
    return _UNSEALERS.setdefault(call, Unsealer(pb.AggregatorMessage)).unseal(one)


async def send(call: Call, *frames: pb.Frame, sent_us: int = 0) -> None:
    await say(call, batch=batch(*frames, sent_us=sent_us))


async def heard(call: Call, wanted: Callable[[pb.AggregatorMessage], bool]) -> list[pb.AggregatorMessage]:
    """Everything up to the wanted message; layouts that are asked for are sent."""
    messages: list[pb.AggregatorMessage] = []
    known = {layout(number).id: layout(number) for number in range(50)}
    while not messages or not wanted(messages[-1]):
        messages.append(await read(call))
        if messages[-1].HasField("need_layout"):
            asked = known[messages[-1].need_layout.layout_id]
            await say(call, layout=layout_to_wire(asked))
    return messages


def settles(seq: int) -> Callable[[pb.AggregatorMessage], bool]:
    return lambda message: message.ack.durable_seq >= seq


async def ending(call: Call) -> grpc.aio.AioRpcError:
    """How a call ends that does not end well."""
    try:
        async with asyncio.timeout(30):
            while await call.read() is not grpc.aio.EOF:
                continue
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it ended well")


def rows(url: str) -> list[tuple[str, float]]:
    with psycopg.connect(url) as connection:
        query = "SELECT name, values[1] FROM frames f JOIN machines m ON m.id = f.machine ORDER BY 1, 2"
        return connection.execute(query).fetchall()


async def shown(redis_url: str, machine: str) -> bus.Machine | None:
    """A machine as a reader finds it that comes now."""
    fleet = bus.Fleet()
    async with bus.connect(redis_url) as redis:
        updates = bus.follow(redis, fleet)
        await anext(updates)
        await updates.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator
    return fleet.machines.get(machine)


async def shown_seq(redis_url: str, machine: str) -> int | None:
    found = await shown(redis_url, machine)
    return found.frame.frame.seq if found and found.frame else None
