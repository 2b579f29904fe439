"""What following systemd's units costs sysmon-collectord: at rest, and while hundreds of units start and fail."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.processes import cpu_seconds, resident_bytes
from tests.collectord.played_bus import PlayedSystemd, played_systemd, real_bus, service
from tests.collectord.scripted_hub import ScriptedHub, serving, take_all

UNITS = 300
SETTLE_SECONDS = 12.0


@asynccontextmanager
async def collectord(directory: Path, hub: str, **more: str) -> AsyncIterator[int]:
    """A running collector at its default interval; its pid."""
    environment = os.environ | {
        "COLLECTOR_MACHINE_ID": "bench",
        "COLLECTOR_AGGREGATOR_URL": hub,
        "COLLECTOR_SPOOL_DIRECTORY": str(directory / "spool"),
        "COLLECTOR_SPOOL_FREE_BYTES": "0",
        "LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sysmonstm.collectord", env=environment | more)
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def at_rest(pid: int, seconds: float, what: str) -> None:
    await asyncio.sleep(SETTLE_SECONDS)
    before = cpu_seconds(pid)
    await asyncio.sleep(seconds)
    cost = (cpu_seconds(pid) - before) / seconds * 5000
    print(f"{what}: {cost:.1f} ms CPU every 5 s, {resident_bytes(pid) / 2**20:.1f} MiB resident")


async def flooded(pid: int, systemd: PlayedSystemd) -> None:
    before, began = cpu_seconds(pid), time.monotonic()
    for name in systemd.units:
        systemd.becomes(name, "activating", "start")
        systemd.fails(name)
        systemd.becomes(name, "activating", "start")
        systemd.runs(name)
        await asyncio.sleep(0.003)
    await asyncio.sleep(3.0)
    spent = cpu_seconds(pid) - before
    print(
        f"{UNITS} units start, fail, start again within {time.monotonic() - began - 3.0:.1f} s: "
        f"{spent * 1000:.0f} ms CPU, {spent / UNITS * 1e6:.0f} µs a unit, "
        f"{resident_bytes(pid) / 2**20:.1f} MiB resident"
    )


async def run(seconds: float) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = Path(name)
        async with serving(ScriptedHub(take_all)) as hub:
            async with collectord(directory, hub) as pid:
                await at_rest(pid, seconds, "without a bus")
            units = {f"unit{number}.service": service() for number in range(UNITS)}
            async with (
                real_bus(directory) as bus,
                played_systemd(bus.address, units) as systemd,
                collectord(directory, hub, DBUS_SYSTEM_BUS_ADDRESS=bus.address) as pid,
            ):
                await at_rest(pid, seconds, f"with {UNITS} units that rest")
                await flooded(pid, systemd)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    asyncio.run(run(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
