"""Synthetic collectors: many machines in one process that speak the real protocol over real connections."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from sysmonstm.wire import layout_to_wire


def layout_of(values: int) -> Layout:
    """A layout of that many series of one metric."""
    metric = Metric("bench.value", Unit.COUNT, Kind.GAUGE, "A value of a synthetic machine", "number")
    return Layout(tuple(Series(metric, str(number)) for number in range(values)))


class SyntheticCollector:
    """One machine: sends a frame of random values every `interval` seconds, and counts what is acknowledged."""

    def __init__(self, name: str, address: str, layout: Layout, interval: float) -> None:
        self.name = name
        self._address = address
        self._layout = layout
        self._interval = interval
        self._rng = random.Random(name)
        self.sent = 0
        self.acknowledged = 0

    async def run(self, seconds: float) -> None:
        """Connect, send on a grid of its own phase for that long, and wait until all is acknowledged."""
        # A pool of their own: gRPC would put all channels to one address on one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            call = rpc.IngestStub(channel).Ingest()
            hello = pb.Hello(machine=self.name, stream=os.urandom(16), interval_seconds=self._interval)
            await call.write(pb.CollectorMessage(hello=hello))
            await call.read()
            reader = asyncio.create_task(self._read(call))
            start = time.monotonic() + self._rng.uniform(0, self._interval)
            for number in range(int(seconds / self._interval)):
                await asyncio.sleep(max(0, start + number * self._interval - time.monotonic()))
                await call.write(pb.CollectorMessage(batch=pb.Batch(frames=[self._frame()])))
            while self.acknowledged < self.sent:
                await asyncio.sleep(0.05)
            reader.cancel()

    def _frame(self) -> pb.Frame:
        self.sent += 1
        first = self._rng.random() * 100
        values = [first + number for number in range(len(self._layout.series))]
        return pb.Frame(seq=self.sent, time_us=time.time_ns() // 1000, layout_id=self._layout.id, values=values)

    async def _read(self, call: grpc.aio.StreamStreamCall[pb.CollectorMessage, pb.AggregatorMessage]) -> None:
        while isinstance(message := await call.read(), pb.AggregatorMessage):
            if message.WhichOneof("message") == "need_layout":
                await call.write(pb.CollectorMessage(layout=layout_to_wire(self._layout)))
            else:
                self.acknowledged = max(self.acknowledged, message.ack.durable_seq)


async def fleet(address: str, machines: int, values: int, interval: float, seconds: float) -> int:
    """Run that many machines; how many frames were acknowledged, which is all that were sent."""
    layout = layout_of(values)
    collectors = [SyntheticCollector(f"bench-{number:05}", address, layout, interval) for number in range(machines)]
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
