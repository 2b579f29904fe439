"""What a probe is, and the helpers that every probe needs: rates of counters, and reading small kernel files."""

from __future__ import annotations

import math
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from sysmonstm.logs import printable
from sysmonstm.metric import Kind, Metric, Series, Unit
from sysmonstm.wire import MAX_TEXT

Row: TypeAlias = tuple[Metric, str, float]
"""One value: its metric, its instance (empty for a metric with a single series) and the value in the metric's unit."""

PROBE_SUCCESS = Metric("probe.success", Unit.COUNT, Kind.FLAG, "Whether the probe could read what it declares", "probe")
PROBE_DURATION = Metric(
    "probe.duration", Unit.SECONDS, Kind.GAUGE, "How long the probe took; not known if it was given up on", "probe"
)

# Closer than this, in seconds, the clock's and the counters' grain is all that a rate would show.
SHORTEST_ELAPSED = 1e-3


class Probe(ABC):
    """Reads one family of facts about this machine.

    It need not catch anything: whoever calls it turns an exception into NaN and `probe.success` 0. It is called from
    one thread, never twice at once.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]

    def missing(self) -> str:
        """Why this machine cannot be read by it, in one sentence; empty if it can. Asked once, at the start."""
        return ""

    def declares(self, metric: Metric) -> bool:
        """Whether the probe may yield this metric: those of `metrics`, and what it finds out about as it runs."""
        return metric in self.metrics

    @abstractmethod
    def read(self, now: float) -> Iterable[Row]:
        """Values of the declared metrics at `now`, in monotonic seconds; NaN for what could not be read."""


class UndeclaredError(Exception):
    """A probe has yielded what it does not declare. It is a defect of the probe."""


def series_of(probe: Probe, metrics: Sequence[Metric], instances: Sequence[str]) -> tuple[Series, ...]:
    """The series of a probe's rows, in order; UndeclaredError unless they are what the probe declares."""
    seen: set[tuple[str, str]] = set()
    for metric, instance in zip(metrics, instances, strict=True):
        if not probe.declares(metric):
            raise UndeclaredError(f"{probe.name} does not declare {metric.name}")
        if bool(instance) != bool(metric.instance_label):
            raise UndeclaredError(f"{metric.name} has {instance!r} against its instance label")
        if (metric.name, instance) in seen:
            raise UndeclaredError(f"{probe.name} yields {metric.name} of {instance!r} twice")
        seen.add((metric.name, instance))
    return tuple(map(Series, metrics, instances))


def rate(before: float, after: float, elapsed: float) -> float:
    """How much a counter grew per second; NaN if it went backwards or no time has passed. `elapsed` is in seconds.

    A counter that goes backwards was reset or has wrapped, and nothing tells which: a guess would be a spike.
    """
    if after < before or not elapsed >= SHORTEST_ELAPSED:
        return math.nan
    return (after - before) / elapsed


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of each instance, read together at `time`, in monotonic seconds."""

    time: float
    values: Mapping[str, Sequence[float]]


def rates(earlier: Counters | None, later: Counters) -> dict[str, list[float]]:
    """The growth per second of each counter in `later`; NaN where there is no earlier reading to compare with."""
    if earlier is None:
        return {instance: [math.nan] * len(values) for instance, values in later.values.items()}
    elapsed = later.time - earlier.time
    found: dict[str, list[float]] = {}
    for instance, values in later.values.items():
        before = earlier.values.get(instance)
        if before is None:
            found[instance] = [math.nan] * len(values)
        else:
            found[instance] = [rate(old, new, elapsed) for old, new in zip(before, values, strict=True)]
    return found


class Rates:
    """Remembers the last reading, so that a probe can ask for rates since then."""

    def __init__(self) -> None:
        self._last: Counters | None = None

    def since_last(self, now: float, values: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """The growth per second of each counter since the call before; `now` is in monotonic seconds."""
        earlier, self._last = self._last, Counters(now, values)
        return rates(earlier, self._last)


def share(part: float, whole: float) -> float:
    """`part` of `whole` in percent, within 0 to 100; NaN of nothing."""
    return min(max(100.0 * part / whole, 0.0), 100.0) if whole > 0 else math.nan


def instance_name(text: str) -> str:
    """A name that the kernel uses as an instance: what cannot be printed is escaped, and what is too long is cut."""
    return (text if text.isprintable() else printable(text))[:MAX_TEXT]


class KernelFile:
    """A file of /proc that is opened once and read many times, which costs a tenth of opening it each time."""

    # What the kernel hands out at once is a page for lists and a multiple of it for single texts.
    _CHUNK = 65_536

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """The descriptor, opened at first use and open for as long as this object lives; OSError if it cannot be."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor

    def read(self) -> str:
        """All of its text as it is now, bytes that are not UTF-8 as surrogates; OSError if it cannot be read."""
        return b"".join(self._chunks()).decode(errors="surrogateescape")

    def _chunks(self) -> Iterator[bytes]:
        offset = 0
        while chunk := os.pread(self.descriptor, self._CHUNK, offset):
            yield chunk
            offset += len(chunk)
