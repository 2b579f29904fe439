"""What the spool costs: appending, opening and reading back a full one, and a sample of a connected collector."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from sysmonstm.collectord.spool.files import DiskDirectory, boot_id
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.bench.processes import resident_bytes
from tests.bench.synthetic import layout_of

START_US = 1_700_000_000_000_000
MIB = 2**20


def fill(directory: Path, limits: Limits, values: int) -> int:
    """Append until the spool is as full as it gets; how many frames that were."""
    spool = Spool(DiskDirectory(directory), limits, boot_id())
    layout, frames = layout_of(values), 0
    readings = [float(number) for number in range(values)]
    started = time.process_time()
    while spool.state.bytes < 0.99 * limits.most_bytes:
        for _ in range(1000):
            frames += 1
            spool.append(START_US + frames, layout, readings)
    spent = time.process_time() - started
    print(f"spool: append {spent / frames * 1e6:.0f} µs CPU a frame of {values} values, in the thread")
    started = time.perf_counter()
    spool.sync()
    print(f"spool: sync {time.perf_counter() - started:.2f} s for {spool.state.bytes / MIB:.0f} MiB")
    # As after kill -9: nothing says that the end is in order.
    spool._directory.close()
    return frames


def read_back(directory: Path, limits: Limits, frames: int) -> None:
    """Open a full spool, read all of it in batches as the uplink does, and settle it."""
    before = resident_bytes(_own_pid())
    started = time.perf_counter()
    spool = Spool(DiskDirectory(directory), limits, boot_id())
    print(f"spool: open {(time.perf_counter() - started) * 1000:.0f} ms with {spool.state.bytes / MIB:.0f} MiB in it")
    stream = spool.state.streams[0].stream
    held, read, seq = spool.state.bytes, 0, 0
    started, cpu = time.perf_counter(), time.process_time()
    while portion := spool.read(stream, seq, 500, 2 * MIB).frames:
        read += len(portion)
        seq = portion[-1].seq
        spool.acknowledge(stream, seq)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert read == frames
    grown = resident_bytes(_own_pid()) - before
    print(
        f"spool: read back and settle {held / MIB / seconds:.0f} MiB/s, {read / seconds:.0f} frames/s, "
        f"{cpu / read * 1e6:.1f} µs CPU a frame, {grown / MIB:.1f} MiB of memory"
    )
    spool.close()


async def connected(directory: Path, limits: Limits, values: int, samples: int, pause: float) -> None:
    """What a sample costs a collector that is connected: append, read, acknowledge, through the thread."""
    outbox = await Outbox.open(directory, limits)
    layout = layout_of(values)
    readings = [float(number) for number in range(values)]

    async def run(work: bool) -> float:
        started = time.process_time()
        for number in range(samples):
            if work:
                issued = await outbox.append(START_US + number, layout, readings)
                await outbox.read(issued.stream, issued.frame.seq - 1, 500, 2 * MIB)
                await outbox.acknowledge(issued.stream, issued.frame.seq)
            await asyncio.sleep(pause)
        return time.process_time() - started

    await run(True)
    idle = await run(False)
    spent = (await run(True) - idle) / samples
    print(f"spool: {spent * 1e6:.0f} µs CPU a sample of {values} values, connected, {pause} s apart")
    await outbox.close()


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--samples", type=int, default=500)
    arguments = parser.parse_args()
    limits = Limits(arguments.mebibytes * MIB, 0)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sysmon-bench-") as directory:
        frames = fill(Path(directory), limits, arguments.values)
        read_back(Path(directory), limits, frames)
    for pause in (0.0, 0.02):
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sysmon-bench-") as directory:
            asyncio.run(connected(Path(directory), limits, arguments.values, arguments.samples, pause))


if __name__ == "__main__":
    main()
