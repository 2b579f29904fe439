"""How many errors each unit has written of late: a sliding window of a minute, bounded in units and in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sysmonstm.collectord.places import Changes, Places

WINDOW_SECONDS = 60
MOST_UNITS = 200
# Where the others are counted.
OTHERS = "other units"
# Who has been silent for so long gives its place to a new one when all are taken.
QUIET_SECONDS = 3600.0


@dataclass(slots=True)
class _Unit:
    """Counts by second of the clock that is passed in, the newest last: no more than the window has seconds."""

    last: float = 0.0
    seconds: deque[tuple[int, int]] = field(default_factory=deque)

    def add(self, now: float, errors: int) -> None:
        self.last = now
        second = int(now)
        if self.seconds and self.seconds[-1][0] == second:
            second, before = self.seconds.pop()
            errors += before
        self.seconds.append((second, errors))
        self._forget(now)

    def sum(self, now: float) -> int:
        self._forget(now)
        return sum(errors for _, errors in self.seconds)

    def _forget(self, now: float) -> None:
        while self.seconds and self.seconds[0][0] <= int(now) - WINDOW_SECONDS:
            self.seconds.popleft()


@dataclass(frozen=True, slots=True)
class Counts:
    """Errors of the last minute by unit, of all together, and how many seconds of the journal were never read."""

    units: Mapping[str, int]
    total: int
    skipped_seconds: float


class JournalErrors:
    """Counts as they come; may be read by any thread. Times are monotonic, in seconds.

    `trouble` says why errors are not being counted now; empty while they are.
    """

    def __init__(self, most_units: int = MOST_UNITS) -> None:
        self._lock = threading.Lock()
        # Those that have a place and those that wait for one.
        self._units: dict[str, _Unit] = {}
        # One place is for OTHERS.
        self._places = Places("units with errors", most_units - 1, Changes())
        self._others = _Unit()
        self._shows_others = False
        self._total = _Unit()
        self._skipped_seconds = 0.0
        self.trouble = ""

    def add(self, unit: str, now: float, errors: int = 1) -> None:
        """A unit has written errors."""
        with self._lock:
            self._total.add(now, errors)
            self._place_of(unit, now).add(now, errors)

    def skip(self, seconds: float) -> None:
        """So much of the journal is left out."""
        with self._lock:
            self._skipped_seconds += seconds

    def counts(self, now: float) -> Counts:
        """Every unit that has ever written one, so that series come and go seldom; OTHERS for those without a place."""
        with self._lock:
            self._settle(now)
            units = {name: self._units[name].sum(now) for name in self._places.names}
            others = self._others.sum(now) + sum(self._units[name].sum(now) for name in self._places.waiting)
            self._shows_others = self._shows_others or others > 0
            if self._shows_others:
                units[OTHERS] = others
            return Counts(units, self._total.sum(now), self._skipped_seconds)

    def _settle(self, now: float) -> None:
        self._places.settle(lambda name: now - self._units[name].last >= QUIET_SECONDS, now)
        kept = self._places.names | self._places.waiting
        self._units = {name: unit for name, unit in self._units.items() if name in kept}

    def _place_of(self, unit: str, now: float) -> _Unit:
        if unit in self._units:
            return self._units[unit]
        self._places.ask([unit])
        if unit not in self._places.waiting and not self._makes_room(now):
            return self._others
        self._places.ask([unit])
        return self._units.setdefault(unit, _Unit())

    def _makes_room(self, now: float) -> bool:
        """Whether one that waits, and has nothing to show by now, waits no more."""
        silent = next((name for name in self._places.waiting if not self._units[name].sum(now)), None)
        if silent is None:
            return False
        del self._places.waiting[silent], self._units[silent]
        return True
