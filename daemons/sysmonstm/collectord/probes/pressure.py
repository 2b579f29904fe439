"""How much work waits for CPU, memory and I/O: pressure stall information, from /proc/pressure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sysmonstm.collectord.probe import KernelFile, Probe, Rates, Row
from sysmonstm.metric import Kind, Metric, Unit


def _metric(name: str, help_text: str) -> Metric:
    return Metric(name, Unit.PERCENT, Kind.RATE, help_text)


CPU_SOME = _metric("pressure.cpu_some", "Time in which some task waited for a CPU")
MEMORY_SOME = _metric("pressure.memory_some", "Time in which some task waited for memory")
MEMORY_FULL = _metric("pressure.memory_full", "Time in which all tasks waited for memory")
IO_SOME = _metric("pressure.io_some", "Time in which some task waited for reads or writes")
IO_FULL = _metric("pressure.io_full", "Time in which all tasks waited for reads or writes")

# For the machine as a whole "full" of cpu means nothing and is always 0.
RESOURCES = {
    "cpu": {"some": CPU_SOME},
    "memory": {"some": MEMORY_SOME, "full": MEMORY_FULL},
    "io": {"some": IO_SOME, "full": IO_FULL},
}

_LINE = re.compile(r"^(some|full) .* total=(\d+)$", re.MULTILINE)


def parse_pressure(text: str) -> dict[str, int]:
    """The totals of one file of /proc/pressure, by "some" and "full", in microseconds."""
    return {share: int(total) for share, total in _LINE.findall(text)}


class PressureProbe(Probe):
    """Stalls as shares of the time since the last reading: exact, where the kernel's own averages lag."""

    name = "pressure"
    metrics = (CPU_SOME, MEMORY_SOME, MEMORY_FULL, IO_SOME, IO_FULL)

    def __init__(self, directory: str = "/proc/pressure") -> None:
        self._files = {resource: KernelFile(f"{directory}/{resource}") for resource in RESOURCES}
        self._rates = Rates()

    def missing(self) -> str:
        """A kernel built without it has no such file; one started with psi=0 has files that refuse to be read."""
        try:
            for file in self._files.values():
                file.read()
        except OSError as error:
            return f"this kernel keeps no pressure stall information ({error.strerror}); start it with psi=1"
        return ""

    def read(self, now: float) -> Iterable[Row]:
        """Shares of the time since the last reading."""
        totals = {resource: parse_pressure(file.read()) for resource, file in self._files.items()}
        shown = {
            metric.name: [totals[resource][share]]
            for resource, metrics in RESOURCES.items()
            for share, metric in metrics.items()
        }
        rates = self._rates.since_last(now, shown)
        for metric in self.metrics:
            (stalled,) = rates[metric.name]
            # Microseconds a second to percent. The total may be a little younger than the clock.
            yield metric, "", stalled if stalled != stalled else min(stalled / 10_000, 100.0)
