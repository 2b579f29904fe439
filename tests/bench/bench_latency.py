"""How long a sample takes from a collector to a browser: collector, aggregatord, Redis, gatewayd, WebSocket."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time

import aiohttp

from sysmonstm.gatewayd.subscription import FEW_MACHINES
from tests.bench.hub import AGGREGATOR, GATEWAY, running
from tests.bench.synthetic import NAME, fleet


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with running("aggregatord", "gatewayd"):
        delays = asyncio.run(measure(**vars(arguments)))
    median, tail = statistics.median(delays) * 1000, statistics.quantiles(delays, n=100)[98] * 1000
    load = (
        f"{FEW_MACHINES} of {arguments.machines} machines of {arguments.values} values every {arguments.interval:g} s"
    )
    print(f"sample to WebSocket, {load}: {median:.1f} ms median, {tail:.1f} ms p99 of {len(delays)}")


async def measure(machines: int, values: int, interval: float, seconds: float) -> list[float]:
    """Seconds from the time in each frame to its arrival, by one clock; of few machines, which are shown at once."""
    delays: list[float] = []
    watched = ",".join(map(NAME.format, range(FEW_MACHINES)))
    url = f"http://{GATEWAY}/ws?machines={watched}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        reading = asyncio.create_task(_read(socket, delays))
        await fleet(AGGREGATOR, machines, values, interval, seconds)
        reading.cancel()
    return delays


async def _read(socket: aiohttp.ClientWebSocketResponse, delays: list[float]) -> None:
    async for message in socket:
        now = time.time()
        update = json.loads(message.data)
        if update["type"] == "frames":
            delays += [now - frame["time"] for frame in update["frames"]]


if __name__ == "__main__":
    main()
