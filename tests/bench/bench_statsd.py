"""What metrics of local programs cost the collector: CPU a line, a reading and a flood, and memory. Asserts nothing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.collectord.probes.statsd import StatsdProbe
from sysmonstm.collectord.sampler import Sampler
from sysmonstm.collectord.statsd.aggregate import Aggregate, Bounds
from sysmonstm.collectord.statsd.intake import Intake
from sysmonstm.collectord.statsd.names import Names
from sysmonstm.collectord.statsd.parse import parse
from sysmonstm.collectord.statsd.receiver import Receiver
from sysmonstm.collectord.statsd.words import RefusedError
from sysmonstm.service import Service
from tests.bench.processes import resident_bytes

KINDS = {
    "a counter": b"shop.orders:1|c",
    "a counter with tags": b"shop.orders:1|c|#region:eu,tier:1",
    "a gauge": b"shop.queue:42.5|g",
    "a timer": b"shop.checkout:320|ms",
    "a timer, sampled": b"shop.checkout:320|ms|@0.1",
    "another name each, refused": b"cpu.percent_%d:1|c",
    "no line at all": b"%d nonsense",
}
# A program that does nothing but send, in datagrams of many lines or of one.
FLOOD = """
import socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
datagram = b"\\n".join([b"shop.orders:1|c"] * int(sys.argv[2]))
end, sent, longest = time.monotonic() + float(sys.argv[3]), 0, 0.0
while (before := time.monotonic()) < end:
    sock.sendto(datagram, sys.argv[1])
    sent += 1
    longest = max(longest, time.monotonic() - before)
print(sent, longest)
"""
# One that sends evenly.
PACED = """
import socket, sys, time
sock, start = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), time.monotonic()
for turn in range(int(sys.argv[2])):
    time.sleep(max(start + turn / int(sys.argv[3]) - time.monotonic(), 0))
    sock.sendto(b'shop.orders:1|c', sys.argv[1])
"""


def aggregate(series: int) -> Aggregate:
    """An empty one."""
    return Aggregate(Names(CATALOGUE), Bounds(series, 600), time.monotonic())


def each(function: Callable[[bytes], object], texts: Iterable[bytes]) -> float:
    """Microseconds of CPU that the function takes for a text."""
    texts = list(texts)
    started = time.thread_time()
    for text in texts:
        function(text)
    return (time.thread_time() - started) / len(texts) * 1e6


def cost_of_lines(number: int) -> None:
    """CPU for a line of each kind, from bytes to the tally."""
    for name, text in KINDS.items():
        statsd = aggregate(500)

        def take(line: bytes, statsd: Aggregate = statsd) -> None:
            with contextlib.suppress(RefusedError):
                statsd.take(parse(line), 0.0)

        texts = [text % place if b"%" in text else text for place in range(number)]
        print(f"{name:28} {each(take, texts):6.2f} µs CPU a line")
    intake = Intake(aggregate(500))
    datagram = b"\n".join([KINDS["a counter"]] * 20)
    spent = each(lambda raw: bool(intake.take(raw, 0.0)), [datagram] * (number // 20))
    print(f"{'20 counters in a datagram':28} {spent / 20:6.2f} µs CPU a line")


async def cost_of_series(series: int) -> None:
    """CPU for a reading of so many series, alone and through the sampler, and the memory that they take."""
    before = resident_bytes(os.getpid())
    statsd = aggregate(series)
    for place in range(series // 4):
        statsd.take(parse(b"shop.checkout:1|ms|#page:%d" % place), time.monotonic())
    values = [
        parse(b"shop.checkout:%d|ms|#page:%d" % (turn, place)) for turn in range(300) for place in range(series // 4)
    ]
    for value in values:
        statsd.take(value, time.monotonic())
    del values
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    probe = StatsdProbe(statsd, Receiver(sock, statsd).counts)
    sampler = Sampler([probe], deadline=2.0)
    shown = 0
    for _ in range(2):
        shown = len((await sampler.sample()).values)
    grown = resident_bytes(os.getpid()) - before
    cpu = time.process_time()
    for _ in range(200):
        await sampler.sample()
    spent = (time.process_time() - cpu) / 200 * 1e6
    sampler.close()
    sock.close()
    print(f"{series} series of timers          {spent:6.0f} µs CPU a sample of {shown} values, {grown / 2**20:.1f} MiB")


async def cost_of_flood(lines_each: int, seconds: float) -> None:
    """CPU of a collector's part while two programs send as fast as they can, and how long they waited."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "metrics.sock")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        statsd = aggregate(500)
        receiver = Receiver(sock, statsd)
        command = [sys.executable, "-c", FLOOD, path, str(lines_each), str(seconds)]
        task = asyncio.create_task(receiver.run(Service()))
        await asyncio.sleep(0)
        senders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        await asyncio.sleep(0.3)
        cpu, started, late = time.process_time(), time.monotonic(), 0.0
        while (before := time.monotonic()) < started + seconds - 0.6:
            await asyncio.sleep(0.01)
            late = max(late, time.monotonic() - before - 0.01)
        used = (time.process_time() - cpu) / (time.monotonic() - started)
        # Elsewhere: a sender may wait for what this thread reads.
        told = [(await asyncio.to_thread(sender.communicate))[0].split() for sender in senders]
        task.cancel()
        await asyncio.wait([task])
        sock.close()
    sent = sum(int(count) for count, _ in told) * lines_each / seconds
    counts = receiver.counts()
    print(
        f"a flood, {lines_each:2} lines a datagram   {100 * used:4.1f} % of a CPU, {sent:9,.0f} lines/s sent, "
        f"{counts.lines / seconds:7,.0f} taken, shut {100 * counts.shut_seconds / seconds:.0f} % of the time, "
        f"waits of at most {max(float(wait) for _, wait in told) * 1e3:.0f} ms for senders, {late * 1e3:.0f} for us"
    )


async def cost_of_pace(rate: int, seconds: float) -> None:
    """CPU of a collector's part at so many datagrams of one line a second, evenly sent."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "metrics.sock")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        receiver = Receiver(sock, aggregate(500))
        task = asyncio.create_task(receiver.run(Service()))
        arguments = [path, str(math.ceil(rate * seconds)), str(rate)]
        sender = await asyncio.create_subprocess_exec(sys.executable, "-c", PACED, *arguments)
        cpu, started = time.process_time(), time.monotonic()
        await sender.wait()
        await asyncio.sleep(0.2)
        used = (time.process_time() - cpu) / (time.monotonic() - started)
        task.cancel()
        await asyncio.wait([task])
        sock.close()
    taken = f"{receiver.counts().lines} of {arguments[1]} taken"
    print(f"{rate:5} lines/s, one a datagram  {100 * used:5.2f} % of a CPU, {taken}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6)
    arguments = parser.parse_args()
    cost_of_lines(arguments.lines)
    asyncio.run(cost_of_series(500))
    for lines_each in (1, 20):
        asyncio.run(cost_of_flood(lines_each, arguments.seconds))
    for rate in (10, 100, 1000):
        asyncio.run(cost_of_pace(rate, arguments.seconds))
    print(
        f"largest resident size of this benchmark {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    main()
