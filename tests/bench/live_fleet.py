"""A fleet for benchmarks of readers: publishes samples straight to Redis, at the pace of aggregatord."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator

from sysmon.v1 import bus_pb2
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from tests.gatewayd.fleet_publisher import FleetPublisher

# What aggregatord waits between two flushes.
GATHER_SECONDS = 0.004
PERCENT, RATE, BYTES = Unit.PERCENT, Unit.BYTES_PER_SECOND, Unit.BYTES
SINGLE = (
    Metric("cpu.percent", PERCENT, Kind.RATE, "Time not idle"),
    Metric("memory.percent", PERCENT, Kind.GAUGE, "Memory in use"),
    Metric("system.load1", Unit.COUNT, Kind.GAUGE, "Load"),
    Metric("system.uptime", Unit.SECONDS, Kind.GAUGE, "Time since the start"),
)
PER_MOUNT = (
    Metric("filesystem.percent", PERCENT, Kind.GAUGE, "Space used", "mount"),
    Metric("filesystem.used", BYTES, Kind.GAUGE, "Space used", "mount"),
)
PER_INTERFACE = (
    Metric("network.received", RATE, Kind.RATE, "Bytes received", "interface"),
    Metric("network.sent", RATE, Kind.RATE, "Bytes sent", "interface"),
)
PER_CORE = Metric("cpu.core_percent", PERCENT, Kind.RATE, "Time not idle, per core", "core")
MOUNTS = ("/", "/boot", "/nix/store", "/home")
INTERFACES = ("enp1s0", "wlan0", "tailscale0")
LAYOUTS = 8
NAME = "host-{:04}.example.org"


def layout_of(values: int, cores: int) -> Layout:
    """A machine with some disks, interfaces and cores, and as many other series as make it that many."""
    series = [Series(metric) for metric in SINGLE]
    series += [Series(metric, mount) for metric in PER_MOUNT for mount in MOUNTS]
    series += [Series(metric, interface) for metric in PER_INTERFACE for interface in INTERFACES]
    series += [Series(PER_CORE, str(core)) for core in range(cores)]
    other = Metric("bench.value", Unit.COUNT, Kind.GAUGE, "A value of a synthetic machine", "number")
    return Layout(tuple(series + [Series(other, str(number)) for number in range(values - len(series))]))


def value_of(metric: Metric, chance: random.Random) -> float:
    """A value as such metrics have them."""
    return chance.random() * {PERCENT: 100, RATE: 1e7, BYTES: 1e12, Unit.SECONDS: 1e7}.get(Unit(metric.unit), 4)


class LiveFleet:
    """Machines that each take a sample every `interval` seconds, at a phase of their own."""

    def __init__(self, publisher: FleetPublisher, machines: int, values: int, interval: float) -> None:
        self._publisher = publisher
        self._interval = interval
        self._chance = random.Random(1)
        layouts = [layout_of(values, 4 + number) for number in range(LAYOUTS)]
        self._machines = [(NAME.format(number), layouts[number % LAYOUTS]) for number in range(machines)]
        facts = {"os": "NixOS 25.05 (Warbler)", "kernel": "6.12.30", "cpu": "AMD EPYC 7763", "boot_time": "1764480000"}
        hellos = [publisher.hello(name, interval, **facts) for name, _ in self._machines]
        publisher.publish([self._frame(*one) for one in self._machines], hellos, layouts)

    def run(self) -> None:
        """Publish for ever."""
        due = self._due(time.monotonic())
        at, machine = next(due)
        while True:
            time.sleep(max(at - time.monotonic(), GATHER_SECONDS))
            frames = []
            while at <= time.monotonic():
                frames.append(self._frame(*machine))
                at, machine = next(due)
            if frames:
                self._publisher.publish(frames)

    def _frame(self, name: str, layout: Layout) -> bus_pb2.LiveFrame:
        values = [value_of(one.metric, self._chance) for one in layout.series]
        return self._publisher.frame(name, values, layout)

    def _due(self, start: float) -> Iterator[tuple[float, tuple[str, Layout]]]:
        """When each machine takes a sample, in order; monotonic, in seconds."""
        phases = sorted((self._chance.random() * self._interval, one) for one in range(len(self._machines)))
        turn = 0
        while True:
            for phase, number in phases:
                yield start + turn * self._interval + phase, self._machines[number]
            turn += 1


def main() -> None:
    """Publish from the command line until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=5.0)
    arguments = parser.parse_args()
    publisher = FleetPublisher(arguments.redis)
    LiveFleet(publisher, arguments.machines, arguments.values, arguments.interval).run()


if __name__ == "__main__":
    main()
