"""What the processes of services are and have, as the kernel of the host sees them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.machine.machine import Machine

_LISTENS = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP socket that listens; `owner` is the user who made it."""

    port: int
    owner: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a service takes."""

    cpu_percent: float
    resident: int
    proportional: int
    descriptors: int
    threads: int


def main_pid(machine: Machine, unit: str) -> int:
    """The main process of a unit, by its number in the machine; 0 while it has none."""
    return int(machine.show(unit, "MainPID"))


def owner(machine: Machine, pid: int) -> int:
    """The user that a process runs as."""
    return int(_status(machine.path(f"/proc/{pid}"), "Uid").split()[1])


def descriptors(machine: Machine, pid: int) -> int:
    """How many descriptors a process has open."""
    return _open(machine.path(f"/proc/{pid}"))


def listeners(machine: Machine) -> list[Listener]:
    """All TCP sockets of the machine that listen, by whatever process."""
    found = []
    for table in ("tcp", "tcp6"):
        # Of its first process, as /proc/net is that of who reads it.
        for line in machine.path(f"/proc/1/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, user, *_ = line.split()
            if state == _LISTENS:
                found.append(Listener(int(local.rpartition(":")[2], 16), int(user)))
    return found


def costs(machine: Machine, units: list[str], seconds: float) -> Iterator[tuple[str, Cost]]:
    """What each unit takes, by what its control group counts in so many seconds."""
    before = {unit: _cpu_seconds(machine, unit) for unit in units}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    for unit in units:
        share = (_cpu_seconds(machine, unit) - before[unit]) / passed
        # Read from out here, it has the numbers that the host knows them by.
        processes = [Path("/proc") / line for line in (_group(machine, unit) / "cgroup.procs").read_text().split()]
        yield (
            unit,
            Cost(
                cpu_percent=100 * share,
                resident=sum(_memory(process, "Rss") for process in processes),
                proportional=sum(_memory(process, "Pss") for process in processes),
                descriptors=sum(_open(process) for process in processes),
                threads=sum(int(_status(process, "Threads")) for process in processes),
            ),
        )


def _group(machine: Machine, unit: str) -> Path:
    return machine.path(f"/sys/fs/cgroup{machine.show(unit, 'ControlGroup')}")


def _cpu_seconds(machine: Machine, unit: str) -> float:
    fields = dict(line.split() for line in (_group(machine, unit) / "cpu.stat").read_text().splitlines())
    return int(fields["usage_usec"]) / 1e6


def _open(process: Path) -> int:
    return len(list((process / "fd").iterdir()))


def _memory(process: Path, name: str) -> int:
    lines = (process / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _status(process: Path, name: str) -> str:
    lines = (process / "status").read_text().splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))
