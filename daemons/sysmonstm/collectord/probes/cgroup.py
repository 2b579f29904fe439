"""What each service and slice uses, from the files of its control group; version 2 only."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from operator import or_
from pathlib import Path

from sysmonstm import logs
from sysmonstm.collectord.cgroups import ROOT, GoneError, Group, Tree, Usage
from sysmonstm.collectord.probe import Probe, Row, instance_name, rate
from sysmonstm.collectord.probes.disks import is_bottom
from sysmonstm.metric import Kind, Metric, Unit

log = logs.logger(__name__)

DEFAULT_MOST = 200
# Descriptors that everything else in the process may need.
OTHER_FILES = 512


def _metric(name: str, unit: Unit, kind: Kind, help_text: str) -> Metric:
    return Metric(f"cgroup.{name}", unit, kind, help_text, "unit")


CPU = _metric("cpu", Unit.PERCENT, Kind.RATE, "CPU time that the service or slice used, of all CPUs")
MEMORY = _metric("memory", Unit.BYTES, Kind.GAUGE, "Memory that it holds, its files in the page cache included")
READ = _metric("read", Unit.BYTES_PER_SECOND, Kind.RATE, "Bytes that it read from block devices")
WRITTEN = _metric("written", Unit.BYTES_PER_SECOND, Kind.RATE, "Bytes that it wrote to block devices")
CPU_PRESSURE = _metric("cpu_pressure", Unit.PERCENT, Kind.RATE, "Time in which a task of it waited for a CPU")
MEMORY_PRESSURE = _metric("memory_pressure", Unit.PERCENT, Kind.RATE, "Time in which a task of it waited for memory")
IO_PRESSURE = _metric("io_pressure", Unit.PERCENT, Kind.RATE, "Time in which a task of it waited for reads or writes")


@cache
def passes_on(device: str) -> bool:
    """Whether a device, `major:minor`, has another one do its work."""
    try:
        name = os.path.basename(os.readlink(f"/sys/dev/block/{device}"))  # noqa: PTH115, PTH119 - no file
    except OSError:
        return False
    return not is_bottom(name)


@dataclass(slots=True)
class _Place:
    """A unit that has series: its group while there is one, and what was last read of it."""

    group: Group | None = None
    usage: Usage = field(default_factory=Usage)
    # Which series it has; once there they stay, so that layouts do not change with every start and stop.
    has: tuple[bool, ...] = (False,) * 7

    def reads(self) -> bool:
        """Read it; False if its group is gone."""
        if self.group is None:
            return True
        try:
            self.usage = self.group.read(passes_on)
        except GoneError:
            self.close()
            return False
        self.has = tuple(map(or_, self.has, _counted(self.usage)))
        return True

    def close(self) -> None:
        """Its group is gone, or not wanted any more."""
        if self.group:
            self.group.close()
        self.group, self.usage = None, Usage()


class CgroupProbe(Probe):
    """Shows at most `most` units, which may be changed at any time. A unit keeps its place when it is stopped."""

    name = "cgroup"
    metrics = (CPU, MEMORY, READ, WRITTEN, CPU_PRESSURE, MEMORY_PRESSURE, IO_PRESSURE)

    def __init__(self, most: int = DEFAULT_MOST, root: str = ROOT) -> None:
        self.most = most
        self._tree = Tree(root)
        self._places: dict[str, _Place] = {}
        self._read_at = math.nan
        self._said_full = False
        self._cpus = os.cpu_count() or 1

    def missing(self) -> str:
        """Where version 1 is mounted, or nothing, there is no such file."""
        if (Path(self._tree.root) / "cgroup.controllers").is_file():
            return ""
        return f"control groups of version 2 are not mounted at {self._tree.root}"

    def read(self, now: float) -> Iterable[Row]:
        """Rates since the last reading, and memory as it is now; NaN for units that do not run."""
        self._tree.look(now)
        self._make_places()
        elapsed, self._read_at = now - self._read_at, now
        rows: list[Row] = []
        gone = False
        for name, place in self._places.items():
            before = place.usage
            gone |= not place.reads()
            values = self._values(before, place.usage, elapsed)
            instance = instance_name(name)
            rows += [
                (metric, instance, value)
                for metric, value, has in zip(self.metrics, values, place.has, strict=True)
                if has
            ]
        if gone:
            # What took its place may not be found by the number of links.
            self._tree.look_anew(now)
        return rows

    def _values(self, before: Usage, after: Usage, elapsed: float) -> Iterator[float]:
        def percent(earlier: float, later: float, of: float = 1.0) -> float:
            # Microseconds a second to percent. Counters may be a little younger than the clock.
            grown = rate(earlier, later, elapsed)
            return grown if grown != grown else min(grown / 10_000 / of, 100.0)

        yield percent(before.cpu, after.cpu, self._cpus)
        yield after.memory
        yield _bytes(before.read, after.read, elapsed)
        yield _bytes(before.written, after.written, elapsed)
        yield percent(before.cpu_stall, after.cpu_stall)
        yield percent(before.memory_stall, after.memory_stall)
        yield percent(before.io_stall, after.io_stall)

    def _make_places(self) -> None:
        """A place for each group that is there, as long as there is room; those of units that are gone make room."""
        paths = self._tree.paths
        for name in list(self._places)[self.most :]:
            self._places.pop(name).close()
        is_full = False
        for name, path in paths.items():
            if (place := self._places.get(name)) is None:
                is_full = is_full or not self._has_room()
                if is_full:
                    continue
                place = self._places[name] = _Place()
            if place.group is None:
                place.group = Group(path)
        if is_full:
            self._say_full(len(paths))

    def _has_room(self) -> bool:
        if len(self._places) < self.most:
            return _may_open((len(self._places) + 1) * len(Group.NAMES))
        idle = next((name for name in self._places if name not in self._tree.paths), None)
        if idle is None:
            return False
        self._places.pop(idle).close()
        return True

    def _say_full(self, there: int) -> None:
        if self.most and not self._said_full:
            self._said_full = True
            sentence = f"{len(self._places)} of {there} services and slices are shown; COLLECTOR_CGROUPS says how many"
            log.warning("cgroups.hidden", sentence, shown=len(self._places), units=there)


def _counted(usage: Usage) -> tuple[bool, ...]:
    """Which of the metrics the kernel counts for a group."""
    values = (
        usage.cpu,
        usage.memory,
        usage.read[0],
        usage.written[0],
        usage.cpu_stall,
        usage.memory_stall,
        usage.io_stall,
    )
    return tuple(value == value for value in values)


def _bytes(before: tuple[float, float], after: tuple[float, float], elapsed: float) -> float:
    """Bytes a second. What passes through a stack of devices is counted in each: the busier layer tells it all."""
    bottom, upper = (rate(old, new, elapsed) for old, new in zip(before, after, strict=True))
    return bottom if upper != upper else max(bottom, upper)


def _may_open(files: int) -> bool:
    """Whether so many files may be open besides all others; raises this process's limit as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = files + OTHER_FILES
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return True
    if hard != resource.RLIM_INFINITY and needed > hard:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))
    return True
