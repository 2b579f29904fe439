"""The machine as a whole: processes, load, uptime, context switches."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable

from sysmonstm.collectord.probe import KernelFile, Probe, Rates, Row
from sysmonstm.metric import Kind, Metric, Unit

PROCESSES = Metric("system.processes", Unit.COUNT, Kind.GAUGE, "Processes")
LOAD1 = Metric("system.load1", Unit.COUNT, Kind.GAUGE, "Tasks that ran or waited for a CPU or a disk, mean of a minute")
LOAD5 = Metric("system.load5", Unit.COUNT, Kind.GAUGE, "The same, mean of 5 minutes")
LOAD15 = Metric("system.load15", Unit.COUNT, Kind.GAUGE, "The same, mean of 15 minutes")
UPTIME = Metric("system.uptime", Unit.SECONDS, Kind.GAUGE, "Time since the machine started, asleep or not")
CONTEXT_SWITCHES = Metric("system.context_switches", Unit.COUNT_PER_SECOND, Kind.RATE, "Switches from task to task")

# PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h.
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
# How often, in seconds, the directories of /proc that are no process are counted anew: modules add some.
RECOUNT = 600.0

_SWITCHES = re.compile(r"^ctxt (\d+)$", re.MULTILINE)


def parse_switches(stat: str) -> int:
    """Context switches since the start, from the text of /proc/stat."""
    found = _SWITCHES.search(stat)
    if found is None:
        raise ValueError("/proc/stat has no line of context switches")
    return int(found[1])


class ProcessCount:
    """Counts processes by the link count of /proc, which is two, its directories, and the processes of the host.

    That costs 2 µs at any number of them. In a PID namespace of its own, where the link count still tells of the whole
    host, the directory is listed.
    """

    def __init__(self) -> None:
        self._sees_all = os.path.realpath("/proc/self/ns/pid").endswith(INITIAL_PID_NAMESPACE)
        self._others = 0
        self._recount_at = -math.inf

    def read(self, now: float) -> int:
        """How many there are now."""
        if not self._sees_all:
            return sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208 - half the cost of a Path
        if now >= self._recount_at:
            with os.scandir("/proc") as entries:
                self._others = 2 + sum(
                    not entry.name.isdigit() and entry.is_dir(follow_symlinks=False) for entry in entries
                )
            self._recount_at = now + RECOUNT
        return os.stat("/proc").st_nlink - self._others  # noqa: PTH116 - as above


class SystemProbe(Probe):
    """Processes, load, uptime, context switches."""

    name = "system"
    metrics = (PROCESSES, LOAD1, LOAD5, LOAD15, UPTIME, CONTEXT_SWITCHES)

    def __init__(self) -> None:
        self._loadavg = KernelFile("/proc/loadavg")
        self._stat = KernelFile("/proc/stat")
        self._processes = ProcessCount()
        self._rates = Rates()

    def read(self, now: float) -> Iterable[Row]:
        """Levels as they are now, and switches since the last reading."""
        load1, load5, load15 = self._loadavg.read().split(maxsplit=3)[:3]
        yield PROCESSES, "", self._processes.read(now)
        yield LOAD1, "", float(load1)
        yield LOAD5, "", float(load5)
        yield LOAD15, "", float(load15)
        yield UPTIME, "", time.clock_gettime(time.CLOCK_BOOTTIME)
        switches = self._rates.since_last(now, {"": [parse_switches(self._stat.read())]})
        yield CONTEXT_SWITCHES, "", switches[""][0]
