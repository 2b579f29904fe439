"""Memory and swap, from /proc/meminfo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sysmonstm.collectord.probe import KernelFile, Probe, Row, share
from sysmonstm.metric import Kind, Metric, Unit

PERCENT = Metric("memory.percent", Unit.PERCENT, Kind.GAUGE, "Memory that programs could not have if they asked")
USED = Metric("memory.used", Unit.BYTES, Kind.GAUGE, "Memory in use: the total less what is available")
AVAILABLE = Metric("memory.available", Unit.BYTES, Kind.GAUGE, "Memory that programs can have without swapping")
CACHED = Metric(
    "memory.cached", Unit.BYTES, Kind.GAUGE, "Memory that holds caches and is available: programs can have it at once"
)
TOTAL = Metric("memory.total", Unit.BYTES, Kind.GAUGE, "Memory that the kernel manages")
SWAP_USED = Metric("memory.swap_used", Unit.BYTES, Kind.GAUGE, "Swap in use")
SWAP_TOTAL = Metric("memory.swap_total", Unit.BYTES, Kind.GAUGE, "Swap there is")
SWAP_PERCENT = Metric("memory.swap_percent", Unit.PERCENT, Kind.GAUGE, "Swap in use; not known where there is none")

_NAMES = "MemTotal|MemAvailable|Buffers|Cached|SReclaimable|Shmem|SwapTotal|SwapFree"
_LINE = re.compile(rf"^({_NAMES}): +(\d+) kB$", re.MULTILINE)


def parse_meminfo(text: str) -> dict[str, int]:
    """The fields of /proc/meminfo that are shown, in bytes."""
    return {name: int(kibibytes) * 1024 for name, kibibytes in _LINE.findall(text)}


def cached(fields: Mapping[str, int]) -> int:
    """Bytes of caches that can be had: as free(1) counts them, without shared memory, and no more than is available."""
    caches = fields["Buffers"] + fields["Cached"] + fields.get("SReclaimable", 0) - fields.get("Shmem", 0)
    return max(0, min(caches, fields["MemAvailable"]))


class MemoryProbe(Probe):
    """Memory and swap. Available is the kernel's own estimate, so used + available = total."""

    name = "memory"
    metrics = (PERCENT, USED, AVAILABLE, CACHED, TOTAL, SWAP_USED, SWAP_TOTAL, SWAP_PERCENT)

    def __init__(self) -> None:
        self._meminfo = KernelFile("/proc/meminfo")

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - levels need no clock
        """Levels as they are now."""
        fields = parse_meminfo(self._meminfo.read())
        total, available = fields["MemTotal"], fields["MemAvailable"]
        swap_total = fields["SwapTotal"]
        swap_used = swap_total - fields["SwapFree"]
        yield PERCENT, "", share(total - available, total)
        yield USED, "", total - available
        yield AVAILABLE, "", available
        yield CACHED, "", cached(fields)
        yield TOTAL, "", total
        yield SWAP_USED, "", swap_used
        yield SWAP_TOTAL, "", swap_total
        yield SWAP_PERCENT, "", share(swap_used, swap_total)
