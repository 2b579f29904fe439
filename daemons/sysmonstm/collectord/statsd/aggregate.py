"""What local programs reported since the last sample, series by series, within bounds; `now` is monotonic seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from sysmonstm.collectord.allowance import Allowance
from sysmonstm.collectord.probe import Row
from sysmonstm.collectord.statsd.names import Name, Names, flat, type_of
from sysmonstm.collectord.statsd.tallies import Tally, tally
from sysmonstm.collectord.statsd.words import Key, Line, Reason, RefusedError, Type
from sysmonstm.metric import Metric

# Other series make another layout, which the hub stores for good: so many at once, then one in so many seconds. New
# series wait for the next and are counted meanwhile.
LAYOUTS_AT_ONCE = 10
SECONDS_PER_LAYOUT = 60.0
# A series of which nothing was heard keeps its place for so long after it expired, in case it comes back.
PLACE_KEPT_SECONDS = 3600.0
# Ways of writing a series (cases, orders of tags) that are remembered, for each series that there may be.
SPELLINGS = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many series there may be, and for how many seconds a gauge stands."""

    series: int
    expire: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """One series of a program's, and the metrics that it is."""

    name: Name
    type: Type
    metrics: tuple[Metric, ...]
    tally: Tally


class Aggregate:
    """Takes lines and gives rows. It may be called from several threads; `bounds` may be replaced at any time."""

    def __init__(self, names: Names, bounds: Bounds, now: float, random: Random | None = None) -> None:
        """`random` chooses which values a percentile is found in."""
        self.names = names
        self.bounds = bounds
        self._random = random or Random()  # noqa: S311 - nobody gains by guessing it
        self._lock = threading.Lock()
        self._entries: dict[Name, _Entry] = {}
        # Those that are in the layout, in its order.
        self._shown: dict[Name, _Entry] = {}
        self._by_key: dict[Key, _Entry] = {}
        # Whose each metric is, by its flat name.
        self._owners: dict[str, tuple[str, Type]] = {}
        self._metrics: dict[tuple[str, bool], tuple[Metric, ...]] = {}
        self._size = 0
        self._layouts = Allowance(1 / SECONDS_PER_LAYOUT, LAYOUTS_AT_ONCE, now)
        self._read = now
        self._swept = now

    @property
    def size(self) -> int:
        """How many series of the machine there are, those that wait for a place in the layout too."""
        return self._size

    def take(self, line: Line, now: float) -> None:
        """Count what a line says; RefusedError, and nothing has changed, if it cannot be."""
        with self._lock:
            entry = self._by_key.get(line.key)
            if entry is None:
                self._meet(line, now)
            else:
                entry.tally.add(line, now)

    def rows(self, now: float) -> list[Row]:
        """The values of all series since the last call, always in the same order; new series behind the others."""
        with self._lock:
            self._settle(now)
            self._read = now
            expire = self.bounds.expire
            return [
                (metric, entry.name.instance, value)
                for entry in self._shown.values()
                for metric, value in zip(entry.metrics, entry.tally.values(now, expire), strict=True)
            ]

    def _meet(self, line: Line, now: float) -> None:
        """Take a line whose key is new, which may be another spelling of what is known."""
        key = line.key
        kind, name = type_of(key.type), self.names.resolve(key.name, key.tags)
        self._check_owner(name.metric, name.metric, kind)
        entry = self._entries.get(name) or self._new(name, kind, now)
        entry.tally.add(line, now)
        if name not in self._entries:
            self._enter(entry)
        if len(self._by_key) >= SPELLINGS * self.bounds.series:
            self._by_key.clear()
        self._by_key[key] = entry

    def _new(self, name: Name, kind: Type, now: float) -> _Entry:
        # One object for all instances: comparing layouts is quick then.
        known = self._metrics.get((name.metric, bool(name.instance)))
        metrics = known or self.names.declared(kind, name)
        for metric in metrics:
            self._check_owner(metric.name, name.metric, kind)
        if self._size + len(metrics) > self.bounds.series:
            raise RefusedError(Reason.FULL, f"there are {self._size} series, and at most {self.bounds.series}")
        return _Entry(name, kind, metrics, tally(kind, now, self._read, self._random))

    def _check_owner(self, metric: str, name: str, kind: Type) -> None:
        owner, owned_as = self._owners.get(flat(metric), (name, kind))
        if (owner, owned_as) != (name, kind):
            raise RefusedError(Reason.TAKEN, f"{metric} belongs to the {owned_as.value} {owner}")

    def _enter(self, entry: _Entry) -> None:
        name = entry.name
        self._entries[name] = entry
        self._size += len(entry.metrics)
        self._metrics[name.metric, bool(name.instance)] = entry.metrics
        for metric in (name.metric, *(one.name for one in entry.metrics)):
            self._owners[flat(metric)] = (name.metric, entry.type)

    def _settle(self, now: float) -> None:
        """Give new series their place in the layout, and take it from those that are gone; both rarely."""
        if self._layouts.left(now) < 1:
            return
        oldest = now - self.bounds.expire - PLACE_KEPT_SECONDS
        gone = [entry for entry in self._entries.values() if entry.tally.heard < oldest]
        changing = len(self._entries) > len(self._shown)
        if gone and (changing or now - self._swept >= PLACE_KEPT_SECONDS or self._size >= self.bounds.series):
            self._forget(gone, now)
            changing = True
        if changing:
            self._layouts.spend(1)
            self._shown = dict(self._entries)

    def _forget(self, gone: Iterable[_Entry], now: float) -> None:
        names = {entry.name for entry in gone}
        kept = [entry for name, entry in self._entries.items() if name not in names]
        for index in (self._entries, self._by_key, self._owners, self._metrics):
            index.clear()
        self._size = 0
        self._swept = now
        for entry in kept:
            self._enter(entry)
