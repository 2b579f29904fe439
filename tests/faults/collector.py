"""Synthetic machines in one process, each with the product's own spool and uplink, that write down what they do.

`python -m tests.faults.collector --directory DIR --address HOST:PORT …`. SIGUSR1: take no more samples, go on sending.
SIGTERM: stop in good order. SIGKILL at any moment is what it is for.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.collectord import calls
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.collectord.uplink import Uplink
from tests.faults import ledger, payload
from tests.faults.ledger import Journal

SECOND_US = 1_000_000
SINCE_1970 = "1970"


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that is set while samples are taken: from sample number `number` on it is `ahead` seconds ahead.

    Or it counts from 1970, as that of a machine without a battery.
    """

    steps: tuple[tuple[int, float | None], ...] = ()

    @classmethod
    def parsed(cls, text: str) -> Clock:
        """Of "20:90000,40:-60,60:1970"."""
        steps = (step.split(":") for step in text.split(",") if step)
        return cls(tuple((int(number), None if ahead == SINCE_1970 else float(ahead)) for number, ahead in steps))

    def reads(self, number: int, now_us: int) -> int:
        """Its time, in microseconds since 1970, when sample `number` is taken at `now_us`."""
        ahead: float | None = 0.0
        for start, step in self.steps:
            if number >= start:
                ahead = step
        return number * SECOND_US if ahead is None else now_us + int(ahead * SECOND_US)


class WitnessedOutbox(Outbox):
    """An outbox whose acknowledgements are in the journal before anything else is done about them."""

    journal: Journal

    async def acknowledge(self, stream: bytes, seq: int) -> None:
        # An aggregator may name a seq that this spool, put back from an old copy, has yet to give out.
        self.journal.acknowledge(stream, min(seq, self.newest_seq(stream)))
        await super().acknowledge(stream, seq)


class Machine:
    """One collector."""

    def __init__(self, origin: int, name: str, arguments: argparse.Namespace, journal: Journal) -> None:
        self.origin = origin
        self._name = name
        self._arguments = arguments
        self._journal = journal
        self._clock = Clock.parsed(arguments.clock)
        self._rng = random.Random(f"{arguments.seed}/{origin}")
        self._last_us = 0
        self._number = 0

    async def open(self, known: ledger.Origin | None) -> None:
        """Go on after what the journal knows of an earlier process."""
        arguments = self._arguments
        self._journal.host(self.origin, self._name, arguments.width)
        limits = Limits(arguments.most_bytes, arguments.free_bytes)
        outbox = await WitnessedOutbox.open(Path(arguments.spool) / str(self.origin), limits)
        assert isinstance(outbox, WitnessedOutbox)
        outbox.journal = self._journal
        self.outbox = outbox
        for one in self.outbox.state.streams:
            self._journal.opened(self.origin, one.stream, one.acknowledged_seq, one.newest_seq)
        hello = pb.Hello(machine=self._name, interval_seconds=max(0.1, arguments.interval), agent_version="faults")
        self.uplink = Uplink(hello, arguments.address.split(","), self.outbox, self._rng)
        if known and known.times:
            self._number, self._last_us = max(known.times), max(known.times.values())
        else:
            await self._take_backlog()

    async def _take_backlog(self) -> None:
        """Samples of the time before it started, in order or shuffled."""
        count, span_us = self._arguments.backlog, int(self._arguments.span * SECOND_US)
        start = time.time_ns() // 1000 - span_us
        times = [start + span_us * place // (count + 1) for place in range(count)]
        if self._arguments.shuffle:
            self._rng.shuffle(times)
        for time_us in times:
            await self._take(time_us)
        self._last_us = max(times, default=0)

    async def _take(self, time_us: int) -> None:
        self._number += 1
        width = self._arguments.width
        self._journal.take(self.origin, self._number, time_us)
        values = payload.values_of(self.origin, self._number, width)
        events = payload.events_of(self.origin, self._number, time_us)
        issued = await self.uplink.offer(time_us, payload.layout_of(self._number, width), values, events)
        self._journal.placed(self.origin, self._number, issued.stream, issued.frame.seq)

    async def sample(self, ending: asyncio.Task[object]) -> None:
        """Take samples, `interval` apart and in a phase of its own, until `ending` is done or it has taken enough."""
        interval = self._arguments.interval
        next_at = time.monotonic() + self._rng.uniform(0, interval)
        while not 0 < self._arguments.samples <= self._number:
            await asyncio.wait({ending}, timeout=max(0.0, next_at - time.monotonic()))
            if ending.done():
                return
            next_at += interval
            time_us = self._clock.reads(self._number + 1, time.time_ns() // 1000)
            if not self._clock.steps:
                time_us = max(time_us, self._last_us + 1)
            self._last_us = time_us
            await self._take(time_us)


async def run(arguments: argparse.Namespace) -> None:
    """All of them, until SIGTERM."""
    directory = Path(arguments.directory)
    path = directory / "journal"
    known = ledger.read([path])
    journal = Journal(path)
    quiet, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, quiet.set)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        machines = [Machine(origin, name, arguments, journal) for origin, name in _named(arguments)]
        running: list[asyncio.Task[None]] = []
        sampling: list[asyncio.Task[None]] = []
        ending = tasks.create_task(quiet.wait())
        for machine in machines:
            await machine.open(known.origins.get(machine.origin))
            stack.push_async_callback(machine.outbox.close)
            running.append(tasks.create_task(machine.uplink.run()))
            sampling.append(tasks.create_task(machine.sample(ending)))
        telling = tasks.create_task(_tell(ending, sampling, directory / "quiet"))
        (directory / "ready").touch()
        await stop.wait()
        for task in (*running, *sampling, ending, telling):
            task.cancel()


async def _tell(ending: asyncio.Task[object], sampling: list[asyncio.Task[None]], path: Path) -> None:
    """Once there will be no more samples, the file says so."""
    await asyncio.wait({ending})
    await asyncio.wait(sampling)
    path.touch()


def _named(arguments: argparse.Namespace) -> Iterator[tuple[int, str]]:
    for origin in range(arguments.first_origin, arguments.first_origin + arguments.machines):
        yield origin, arguments.name or f"machine-{origin}"


def parser() -> argparse.ArgumentParser:
    """What it can be told."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--directory", required=True)
    made.add_argument("--spool", required=True)
    made.add_argument("--address", required=True)
    made.add_argument("--seed", default="0")
    made.add_argument("--name", default="")
    made.add_argument("--clock", default="")
    made.add_argument("--shuffle", action="store_true")
    whole = {"machines": 1, "first-origin": 1, "width": 20, "backlog": 0, "samples": 0}
    whole |= {"most-bytes": 64 * 2**20, "free-bytes": 0}
    for name, default in whole.items():
        made.add_argument(f"--{name}", type=int, default=default)
    for name, seconds in {"interval": 0.2, "span": 0.0}.items():
        made.add_argument(f"--{name}", type=float, default=seconds)
    return made


def main() -> None:
    """Run until told otherwise."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Or gRPC would put all machines of this process on one connection.
    logs.setup("INFO", "json")
    calls.CHANNEL_OPTIONS.append(("grpc.use_local_subchannel_pool", 1))
    asyncio.run(run(parser().parse_args()))


if __name__ == "__main__":
    main()
