"""How busy the CPUs are, from /proc/stat."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import sub

from sysmonstm.collectord.probe import KernelFile, Probe, Row, share
from sysmonstm.metric import Kind, Metric, Unit

PERCENT = Metric("cpu.percent", Unit.PERCENT, Kind.RATE, "Time in which the CPUs were not idle, of all cores together")
CORE_PERCENT = Metric("cpu.core_percent", Unit.PERCENT, Kind.RATE, "Time in which this core was not idle", "core")
USER = Metric("cpu.user", Unit.PERCENT, Kind.RATE, "Time in programs, niced ones and guests too")
SYSTEM = Metric("cpu.system", Unit.PERCENT, Kind.RATE, "Time in the kernel, interrupts too")
IOWAIT = Metric("cpu.iowait", Unit.PERCENT, Kind.RATE, "Idle time while a read or write was waited for")
STEAL = Metric("cpu.steal", Unit.PERCENT, Kind.RATE, "Time in which the hypervisor ran something else")

OVERALL = "cpu"


@dataclass(frozen=True, slots=True)
class Times:
    """Where the time of one CPU, or of all, has gone since the start: clock ticks, as /proc/stat counts them."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int

    def fields(self) -> tuple[int, ...]:
        """In the order of the file."""
        return (self.user, self.nice, self.system, self.idle, self.iowait, self.irq, self.softirq, self.steal)


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the time between two readings went, in percent; NaN where that cannot be told."""

    busy: float
    user: float
    system: float
    iowait: float
    steal: float


def parse_times(stat: str) -> dict[str, Times]:
    """The times of "cpu" (all together) and of each core ("0", "1", …) from the text of /proc/stat.

    Guest time, the two columns after steal, is in user and nice already.
    """
    found: dict[str, Times] = {}
    for line in stat.splitlines():
        # They come first, and what follows may be hundreds of kilobytes of interrupt counts.
        if not line.startswith("cpu"):
            break
        name, *fields = line.split(maxsplit=9)
        found[name.removeprefix("cpu") or OVERALL] = Times(*map(int, fields[:8]))
    return found


def shares(before: Times | None, after: Times) -> Shares:
    """Where the time between two readings went.

    iowait may go backwards (proc(5) says so) and is then not known; the rest is, with no wait counted.
    """
    if before is None:
        return Shares(math.nan, math.nan, math.nan, math.nan, math.nan)
    grown = tuple(map(sub, after.fields(), before.fields()))
    user, nice, system, idle, iowait, irq, softirq, steal = (max(ticks, 0) for ticks in grown)
    if any(ticks < 0 for ticks in (*grown[:3], *grown[5:])):
        return Shares(math.nan, math.nan, math.nan, math.nan, math.nan)
    busy = user + nice + system + irq + softirq + steal
    total = busy + idle + iowait
    return Shares(
        busy=share(busy, total),
        user=share(user + nice, total),
        system=share(system + irq + softirq, total),
        iowait=share(iowait, total) if grown[4] >= 0 else math.nan,
        steal=share(steal, total),
    )


class CpuProbe(Probe):
    """CPU time since the last reading. Counted against the ticks of all states, so it needs no clock."""

    name = "cpu"
    metrics = (PERCENT, CORE_PERCENT, USER, SYSTEM, IOWAIT, STEAL)

    def __init__(self) -> None:
        self._stat = KernelFile("/proc/stat")
        self._last: dict[str, Times] = {}

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - the ticks are the clock
        """Shares of the time since the last reading; NaN at the first."""
        times, last = parse_times(self._stat.read()), self._last
        self._last = times
        for name, spent in times.items():
            shown = shares(last.get(name), spent)
            if name != OVERALL:
                yield CORE_PERCENT, name, shown.busy
                continue
            yield PERCENT, "", shown.busy
            yield USER, "", shown.user
            yield SYSTEM, "", shown.system
            yield IOWAIT, "", shown.iowait
            yield STEAL, "", shown.steal
