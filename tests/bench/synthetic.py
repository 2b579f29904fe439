"""Synthetic collectors: many machines in one process that speak the real protocol over real connections."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections import deque

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from sysmonstm.wire import Sealer, Unsealer, layout_to_wire

Call = grpc.aio.StreamStreamCall[pb.Sealed, pb.Sealed]
MOST_FRAMES = 500
NAME = "bench-{:05}"


def layout_of(values: int) -> Layout:
    """A layout of that many series of one metric."""
    metric = Metric("bench.value", Unit.COUNT, Kind.GAUGE, "A value of a synthetic machine", "number")
    return Layout(tuple(Series(metric, str(number)) for number in range(values)))


class SyntheticCollector:
    """One machine: takes a frame of random values every `interval` seconds, and counts what is acknowledged."""

    def __init__(self, name: str, address: str, layout: Layout, interval: float) -> None:
        self.name = name
        self._address = address
        self._layout = layout
        self._interval = interval
        self._rng = random.Random(name)
        self._waiting: deque[pb.Frame] = deque()
        self._windows = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._sealer = Sealer()
        self._window = self._frames_per_batch = 0
        # The last seq of each batch that is sent and not acknowledged.
        self._unacknowledged: deque[int] = deque()
        self.taken = 0
        self.acknowledged = 0

    async def run(self, seconds: float) -> None:
        """Connect, take samples on a grid of its own phase for that long, and wait until all are acknowledged."""
        # A pool of their own: gRPC would put all channels to one address on one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            call: Call = rpc.IngestStub(channel).Ingest()
            hello = pb.Hello(machine=self.name, stream=os.urandom(16), interval_seconds=self._interval)
            await self._write(call, pb.CollectorMessage(hello=hello))
            async with asyncio.TaskGroup() as tasks:
                loops = [tasks.create_task(self._read(call)), tasks.create_task(self._send(call))]
                await self._take(seconds)
                for loop in loops:
                    loop.cancel()

    async def _take(self, seconds: float) -> None:
        start = time.monotonic() + self._rng.uniform(0, self._interval)
        for number in range(int(seconds / self._interval)):
            await asyncio.sleep(max(0, start + number * self._interval - time.monotonic()))
            self._waiting.append(self._frame())
            await self._tell()
        while self.acknowledged < self.taken:
            await asyncio.sleep(0.05)

    async def _write(self, call: Call, message: pb.CollectorMessage) -> None:
        # gRPC takes one at a time.
        async with self._writing:
            await call.write(self._sealer.seal(message))

    def _frame(self) -> pb.Frame:
        self.taken += 1
        first = self._rng.random() * 100
        values = [first + number for number in range(len(self._layout.series))]
        return pb.Frame(seq=self.taken, time_us=time.time_ns() // 1000, layout_id=self._layout.id, values=values)

    async def _tell(self) -> None:
        async with self._windows:
            self._windows.notify_all()

    def _may_send(self) -> bool:
        return bool(self._waiting) and len(self._unacknowledged) < self._window

    async def _send(self, call: Call) -> None:
        while True:
            async with self._windows:
                await self._windows.wait_for(self._may_send)
            most = self._frames_per_batch or MOST_FRAMES
            frames = [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]
            self._unacknowledged.append(frames[-1].seq)
            batch = pb.Batch(frames=frames, sent_us=time.time_ns() // 1000)
            await self._write(call, pb.CollectorMessage(batch=batch))

    async def _read(self, call: Call) -> None:
        unsealer = Unsealer(pb.AggregatorMessage)
        while isinstance(sealed := await call.read(), pb.Sealed):
            message = unsealer.unseal(sealed)
            if message.HasField("need_layout"):
                await self._write(call, pb.CollectorMessage(layout=layout_to_wire(self._layout)))
            elif message.HasField("welcome"):
                self._window, self._frames_per_batch = message.welcome.window, message.welcome.frames_per_batch
            elif message.HasField("ack"):
                self._heed(message.ack)
            await self._tell()
        raise EOFError(f"{self.name}: the hub ended the call: {await call.code()} {await call.details()}")

    def _heed(self, ack: pb.Ack) -> None:
        self._window, self._frames_per_batch = ack.window, ack.frames_per_batch
        self.acknowledged = max(self.acknowledged, ack.durable_seq)
        while self._unacknowledged and self._unacknowledged[0] <= self.acknowledged:
            self._unacknowledged.popleft()


async def fleet(address: str, machines: int, values: int, interval: float, seconds: float) -> int:
    """Run that many machines; how many frames were acknowledged, which is all that were sent."""
    layout = layout_of(values)
    collectors = [SyntheticCollector(NAME.format(number), address, layout, interval) for number in range(machines)]
    async with asyncio.TaskGroup() as tasks:
        for collector in collectors:
            tasks.create_task(collector.run(seconds))
    return sum(collector.acknowledged for collector in collectors)


def main() -> None:
    """Run a fleet from the command line; prints how many frames were acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:50051")
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    print(asyncio.run(fleet(**vars(arguments))))


if __name__ == "__main__":
    main()
