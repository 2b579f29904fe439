"""Frames per second and core through one aggregatord: gRPC behind the relay, Redis and PostgreSQL counted together.

Paced, not flooded: floods flatter a server fourfold.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.bench.hub import AGGREGATOR, Hub, running
from tests.bench.processes import CpuMeter, resident_bytes


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between the frames of a machine")
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with running("aggregatord") as hub:
        measure(arguments, hub)


def measure(arguments: argparse.Namespace, hub: Hub) -> None:
    """Put the load on, and print what it cost."""
    meter = CpuMeter(hub.pids)
    command = [sys.executable, "-m", "tests.bench.synthetic", "--address", AGGREGATOR]
    for name in ("machines", "values", "interval", "seconds"):
        command += [f"--{name}", str(getattr(arguments, name))]
    frames = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    used = meter.used()
    total = sum(used.values())
    rate = arguments.machines / arguments.interval
    print(
        f"ingest: {frames} frames of {arguments.values} values, {rate:.0f} a second"
        f" over {arguments.machines} connections, all acknowledged; {hub.edition}"
    )
    for name, seconds in used.items():
        resident = resident_bytes(hub.pids[name]) >> 20
        print(f"  {name:12} {seconds / frames * 1e6:6.0f} µs CPU a frame, {resident} MiB resident")
    print(f"  {'together':12} {total / frames * 1e6:6.0f} µs CPU a frame: {frames / total:.0f} frames/s a core")


if __name__ == "__main__":
    main()
