"""What is kept of one series between two samples, by its type. Pure: `now` is monotonic, in seconds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable
from random import Random

from sysmonstm.collectord.probe import SHORTEST_ELAPSED
from sysmonstm.collectord.statsd.words import LARGEST, Line, Reason, RefusedError, Type

# Of what was reported since the sample before, so much is kept to find the percentile in.
MOST_KEPT = 256
MILLISECONDS = 1e-3


class Tally(ABC):
    """One series of a program's; `values` are those of its metrics, in their order."""

    __slots__ = ("heard",)

    def __init__(self, now: float) -> None:
        # When a line last came.
        self.heard = now

    @abstractmethod
    def add(self, line: Line, now: float) -> None:
        """Take what a line says; RefusedError if it cannot be."""

    @abstractmethod
    def values(self, now: float, expire: float) -> Iterable[float]:
        """What there is to tell now, NaN for what is not known; the next call tells what comes after this one.

        A level stands for `expire` seconds.
        """


class Gauge(Tally):
    """A level: the last one that was reported."""

    __slots__ = ("_level",)

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self._level = 0.0

    def add(self, line: Line, now: float) -> None:
        """A value with a sign is a change, of 0 at first."""
        if len(line.values) > 1:
            raise RefusedError(Reason.VALUE, "a gauge has one value")
        level = line.values[0] + (self._level if line.relative else 0.0)
        if not -LARGEST <= level <= LARGEST:
            raise RefusedError(Reason.VALUE, f"a level is at most {LARGEST:g}")
        self._level, self.heard = level, now

    def values(self, now: float, expire: float) -> Iterable[float]:
        """The level, while it stands."""
        return (self._level if now - self.heard <= expire else math.nan,)


class Counter(Tally):
    """How many there were, as a rate."""

    __slots__ = ("_since", "_total")

    def __init__(self, now: float, since: float) -> None:
        super().__init__(now)
        self._since = since
        self._total = 0.0

    def add(self, line: Line, now: float) -> None:
        """Of those that a sample rate left out, as many again are taken to have been."""
        values = line.values
        self._total += (values[0] if len(values) == 1 else sum(values)) / line.rate
        self.heard = now

    def values(self, now: float, expire: float) -> Iterable[float]:  # noqa: ARG002 - none is 0, however long
        """So many a second since the values before."""
        elapsed = now - self._since
        if elapsed < SHORTEST_ELAPSED:
            return (math.nan,)
        total, self._total, self._since = self._total, 0.0, now
        return (total / elapsed,)


class Timer(Tally):
    """How long, or how much, each was: mean, 95th percentile, greatest, and how many a second."""

    __slots__ = ("_greatest", "_kept", "_number", "_random", "_scale", "_since", "_sum", "_weight")

    def __init__(self, now: float, since: float, scale: float, random: Random) -> None:
        """`scale` is what a value is multiplied by."""
        super().__init__(now)
        self._since = since
        self._scale = scale
        self._random = random
        self._kept = array("d")
        self._greatest = -math.inf
        self._begin()

    def add(self, line: Line, now: float) -> None:
        """Each value counts for those that the sample rate left out."""
        weight = 1 / line.rate
        for value in line.values:
            self._sum += value * weight
            self._weight += weight
            self._greatest = max(self._greatest, value)
            self._keep(value)
        self.heard = now

    def values(self, now: float, expire: float) -> Iterable[float]:  # noqa: ARG002 - nothing lasts
        """In seconds for a timer; NaN and a rate of 0 where nothing was reported since the values before."""
        elapsed = now - self._since
        if elapsed < SHORTEST_ELAPSED:
            return (math.nan,) * 4
        rate, self._since = self._weight / elapsed, now
        if not self._weight:
            return (math.nan, math.nan, math.nan, rate)
        mean, p95, greatest = self._sum / self._weight, percentile(self._kept, 0.95), self._greatest
        self._begin()
        return (mean * self._scale, p95 * self._scale, greatest * self._scale, rate)

    def _begin(self) -> None:
        self._sum = self._weight = 0.0
        self._greatest = -math.inf
        self._number = 0
        del self._kept[:]

    def _keep(self, value: float) -> None:
        """Of many values each is as likely to be among those kept (algorithm R)."""
        self._number += 1
        if len(self._kept) < MOST_KEPT:
            self._kept.append(value)
        elif (place := int(self._random.random() * self._number)) < MOST_KEPT:
            self._kept[place] = value


def percentile(values: Iterable[float], share: float) -> float:
    """The least of the values that at least `share` of them do not exceed. There is at least one."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def tally(kind: Type, now: float, since: float, random: Random) -> Tally:
    """An empty one; its rates are of the time since `since`."""
    match kind:
        case Type.GAUGE:
            return Gauge(now)
        case Type.COUNTER:
            return Counter(now, since)
        case Type.TIMER:
            return Timer(now, since, MILLISECONDS, random)
        case Type.DISTRIBUTION:
            return Timer(now, since, 1.0, random)
