"""What each service and slice uses, from the files of its control group; version 2 only."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import or_
from pathlib import Path

from sysmonstm import logs
from sysmonstm.collectord.cgroups import ROOT, GoneError, Group, Tree, Usage
from sysmonstm.collectord.places import Changes, Places
from sysmonstm.collectord.probe import Probe, Row, instance_name, rate
from sysmonstm.collectord.probes.disks import is_bottom
from sysmonstm.metric import Kind, Metric, Unit

log = logs.logger(__name__)

DEFAULT_MOST = 200
# Descriptors that everything else in the process may need.
OTHER_FILES = 512
# A unit that is gone sooner, like a connection's or a timer's, gets no series; its use is in that of its slice.
LASTS_SECONDS = 60.0
NOTHING = (math.nan,) * 7


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
    """A unit that has series: its group while there is one, and what was last read of it, and when."""

    group: Group | None = None
    usage: Usage = field(default_factory=Usage)
    read_at: float = math.nan
    # Which series it has; once there they stay, so that layouts do not change with every start and stop.
    has: tuple[bool, ...] = (False,) * 7

    def close(self) -> None:
        """Its group is gone, or not wanted any more."""
        if self.group:
            self.group.close()
        self.group, self.usage, self.read_at = None, Usage(), math.nan


class CgroupProbe(Probe):
    """Shows at most `most` units, which may be changed at any time. A unit keeps its place when it is stopped."""

    name = "cgroup"
    metrics = (CPU, MEMORY, READ, WRITTEN, CPU_PRESSURE, MEMORY_PRESSURE, IO_PRESSURE)

    def __init__(self, most: int = DEFAULT_MOST, root: str = ROOT) -> None:
        self.most = most
        self._tree = Tree(root)
        self._changes = Changes()
        self._shown = Places("services and slices", most, self._changes)
        self._places: dict[str, _Place] = {}
        # Since when each group is there, and of which paths that is.
        self._since: dict[str, float] = {}
        self._since_of: Mapping[str, str] | None = None
        self._said_full = False
        self._said_unread = False
        self._cpus = os.cpu_count() or 1

    def missing(self) -> str:
        """Where version 1 is mounted, or nothing, there is no such file."""
        if (Path(self._tree.root) / "cgroup.controllers").is_file():
            return ""
        return f"control groups of version 2 are not mounted at {self._tree.root}"

    def read(self, now: float) -> Iterable[Row]:
        """Rates since the last reading, and memory as it is now; NaN for units that do not run."""
        self._tree.look(now)
        self._make_places(now)
        values = {name: self._read_place(name, place, now) for name, place in self._places.items()}
        self._make_series(now)
        return [
            (metric, instance_name(name), value)
            for name, place in self._places.items()
            for metric, value, has in zip(self.metrics, values[name], place.has, strict=True)
            if has
        ]

    def _read_place(self, name: str, place: _Place, now: float) -> Sequence[float]:
        """The values of a unit; all NaN if it does not run, or if its files cannot be read."""
        try:
            if place.group is None and name in self._tree.paths:
                place.group = Group(self._tree.paths[name])
            if place.group is None:
                return NOTHING
            usage = place.group.read(passes_on)
        except GoneError:
            place.close()
            # What took its place may not be found by the number of links.
            self._tree.look_anew(now)
            return NOTHING
        except (OSError, ValueError) as error:
            # Its counters go on: the next rate is that since it was last read.
            self._say_unread(name, error)
            return NOTHING
        values = tuple(self._values(place.usage, usage, now - place.read_at))
        place.usage, place.read_at = usage, now
        return values

    def _make_series(self, now: float) -> None:
        """Series for what the kernel counts by now."""
        grown = {name: tuple(map(or_, place.has, _counted(place.usage))) for name, place in self._places.items()}
        if any(grown[name] != place.has for name, place in self._places.items()) and self._changes.allowed(now):
            self._changes.made(now)
            for name, place in self._places.items():
                place.has = grown[name]

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

    def _make_places(self, now: float) -> None:
        """A place for each group that is there and lasts, if there is room; those of units that are gone make room."""
        paths = self._tree.paths
        if paths is not self._since_of:
            # Those that are met first have lasted, as far as anyone knows.
            first = self._tree.looked_at if self._since_of is not None else -math.inf
            self._since = {name: self._since.get(name, first) for name in paths}
            self._since_of = paths
        self._shown.most = _openable(self.most)
        self._shown.ask(name for name, since in self._since.items() if now - since >= LASTS_SECONDS)
        self._shown.settle(lambda name: name not in paths, now)
        for name in [name for name in self._places if name not in self._shown.names]:
            self._places.pop(name).close()
        for name in self._shown.names:
            self._places.setdefault(name, _Place())
        if self._shown.is_full:
            self._say_full(len(paths))

    def _say_unread(self, name: str, error: Exception) -> None:
        if not self._said_unread:
            self._said_unread = True
            sentence = "the control group of a unit cannot be read; the unit has no values meanwhile"
            log.warning("cgroups.unread", sentence, unit=logs.printable(name), reason=str(error))

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


def _openable(units: int) -> int:
    """The files of how many of so many units may be open besides all others; raises this process's limit for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = units * len(Group.NAMES) + OTHER_FILES
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return units
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))
    if hard == resource.RLIM_INFINITY or needed <= hard:
        return units
    return max(0, (hard - OTHER_FILES) // len(Group.NAMES))
