"""How fast a collector's backlog drains when its hub is back, and how old others' live frames get meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg

from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.gatewayd.subscription import FEW_MACHINES
from tests.bench import synthetic
from tests.bench.hub import AGGREGATOR, GATEWAY, Hub, daemon, running
from tests.bench.synthetic import fleet, layout_of

NAME = "away"
LIMITS = Limits(most_bytes=512 * 2**20, free_bytes=0)
# The fleet is on its way before the backlog comes, and is looked at a little longer than that takes.
BEFORE_SECONDS = 5.0
AFTER_SECONDS = 3.0
POLL_SECONDS = 0.1
DURABLE = "SELECT max(durable_seq) FROM streams JOIN machines ON machines.id = streams.machine WHERE name = %s"
# What is durable may also be lost or refused, and said to be.
ROWS = "SELECT count(*) FROM frames JOIN machines ON machines.id = frames.machine WHERE name = %s"


@dataclass
class Ages:
    """Seconds from the time in a frame to its arrival at a WebSocket, by one clock."""

    others: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=72_000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument(
        "--apart",
        type=float,
        default=2.0,
        help="seconds from frame to frame, all as new as raw is kept",
    )
    parser.add_argument("--machines", type=int, default=100, help="that are connected all the time")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between live frames of a machine")
    arguments = parser.parse_args()
    with running("aggregatord", "gatewayd") as hub:
        spool = Path(hub.environment["COLLECTOR_SPOOL_DIRECTORY"])
        asyncio.run(fill(spool, arguments.frames, arguments.values, arguments.apart))
        seconds, ages = asyncio.run(measure(hub, **vars(arguments)))
    print(
        f"drain: {arguments.frames} frames of {arguments.values} values in {seconds:.1f} s"
        f" ({arguments.frames / seconds:.0f} a second), from the collector's start to the last commit; {hub.edition}"
    )
    print(f"  live frames of some of {arguments.machines} other machines meanwhile: {described(ages.others)}")
    print(f"  live frames of the machine that drains: {described(ages.own)}")


async def fill(directory: Path, frames: int, values: int, apart: float) -> None:
    """Spool frames as a collector does whose hub is away: `apart` seconds from one to the next, up to now."""
    outbox = await Outbox.open(directory, LIMITS)
    layout = layout_of(values)
    start = time.time() - frames * apart
    for number in range(frames):
        await outbox.append(int((start + number * apart) * 1e6), layout, [float(number)] * values)
    await outbox.close()


async def measure(
    hub: Hub, frames: int, values: int, apart: float, machines: int, interval: float
) -> tuple[float, Ages]:
    """Seconds until all of the backlog is stored, and the ages of live frames until then."""
    ages = Ages()
    # So few that the gateway shows them at once.
    watched = ",".join([NAME, *map(synthetic.NAME.format, range(FEW_MACHINES - 1))])
    url = f"http://{GATEWAY}/ws?machines={watched}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        others = asyncio.create_task(fleet(AGGREGATOR, machines, values, interval, seconds=3600))
        # Read from the first: what waits in the socket would look old.
        reading = asyncio.create_task(_read(socket, ages))
        await asyncio.sleep(BEFORE_SECONDS)
        ages.others.clear()
        started = time.monotonic()
        with _collector(hub, interval):
            await _until_stored(hub, frames)
            seconds = time.monotonic() - started
            await asyncio.sleep(AFTER_SECONDS)
        for task in (reading, others):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return seconds, ages


@contextmanager
def _collector(hub: Hub, interval: float) -> Iterator[None]:
    settings = {"COLLECTOR_MACHINE_ID": NAME, "COLLECTOR_COLLECTION_INTERVAL": str(interval)}
    with daemon("collectord", hub.environment | settings):
        yield


async def _until_stored(hub: Hub, seq: int) -> None:
    async with await psycopg.AsyncConnection.connect(hub.environment["TIMESCALE_URL"], autocommit=True) as connection:
        while True:
            row = await (await connection.execute(DURABLE, (NAME,))).fetchone()
            if row and row[0] and row[0] >= seq:
                break
            await asyncio.sleep(POLL_SECONDS)
        row = await (await connection.execute(ROWS, (NAME,))).fetchone()
        assert row, "count has a row"
        assert row[0] >= seq, f"only {row[0]} of {seq} frames are in history"


async def _read(socket: aiohttp.ClientWebSocketResponse, ages: Ages) -> None:
    async for message in socket:
        now = time.time()
        update = json.loads(message.data)
        if update["type"] == "frames":
            for frame in update["frames"]:
                (ages.own if frame["machine"] == NAME else ages.others).append(now - frame["time"])


def described(ages: list[float]) -> str:
    """The middle, the tail and the worst, for people."""
    if len(ages) < 2:
        return f"{len(ages)} frames"
    tail = statistics.quantiles(ages, n=100, method="inclusive")[98]
    return f"{statistics.median(ages):.3f} s median, {tail:.3f} s p99, {max(ages):.3f} s worst, of {len(ages)}"


if __name__ == "__main__":
    main()
