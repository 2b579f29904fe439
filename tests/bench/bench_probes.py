"""Prints what the probes cost: CPU a sample, of each probe alone and of all through their threads. Asserts nothing."""

from __future__ import annotations

import argparse
import asyncio
import time

from sysmonstm.collectord.probe import Probe
from sysmonstm.collectord.probes import probes_of_this_machine
from sysmonstm.collectord.sampler import Sampler


def alone(probe: Probe, samples: int) -> float:
    """Microseconds of CPU that one reading takes in the calling thread, nothing else running."""
    list(probe.read(time.monotonic()))
    started = time.thread_time()
    for _ in range(samples):
        list(probe.read(time.monotonic()))
    return (time.thread_time() - started) / samples * 1e6


async def together(samples: int, pause: float) -> tuple[float, int]:
    """Microseconds of CPU of the whole process for a sample, samples `pause` seconds apart; and its series."""
    sampler = Sampler(probes_of_this_machine(), deadline=2.0)
    series = len((await sampler.sample()).values)
    await asyncio.sleep(pause)
    started = time.process_time()
    for _ in range(samples):
        await sampler.sample()
        await asyncio.sleep(pause)
    spent = (time.process_time() - started) / samples * 1e6
    sampler.close()
    return spent, series


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the probes cost, in CPU time.")
    parser.add_argument("--samples", type=int, default=500)
    arguments = parser.parse_args()
    for probe in probes_of_this_machine():
        print(f"{probe.name:12} {alone(probe, arguments.samples):7.0f} µs CPU a reading, alone in one thread")
    # Back to back the caches are warm; a collector that wakes every 5 s finds them cold.
    for pause in (0.0, 0.02):
        spent, series = asyncio.run(together(arguments.samples, pause))
        print(f"all probes   {spent:7.0f} µs CPU a sample of {series} series, threads and event loop, {pause} s apart")


if __name__ == "__main__":
    main()
