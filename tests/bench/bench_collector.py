"""What sysmon-collectord costs a machine at its default interval of 5 s, connected to a real hub."""

from __future__ import annotations

import argparse
import time

from tests.bench.hub import running
from tests.bench.processes import CpuMeter, resident_bytes

WARM_UP_SECONDS = 15


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100)
    arguments = parser.parse_args()
    with running("aggregatord", "collectord") as hub:
        pid = hub.pids["collectord"]
        time.sleep(WARM_UP_SECONDS)
        meter = CpuMeter({"collectord": pid})
        time.sleep(arguments.seconds)
        cost = meter.used()["collectord"] / arguments.seconds * 5 * 1000
        print(f"collectord at rest: {cost:.1f} ms CPU every 5 s, {resident_bytes(pid) / 2**20:.0f} MiB resident")


if __name__ == "__main__":
    main()
