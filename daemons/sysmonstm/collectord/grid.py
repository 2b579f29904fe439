"""When samples are due: on a fixed grid of monotonic time, so that they neither drift nor bunch; some come early."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

# In intervals. A sample may be this late; after that it is skipped, so two are never closer than half an interval.
LATEST = 0.5
# Rates need two readings. How many seconds lie between the first two, so that a newcomer sees numbers soon.
WARM_UP = 1.0
# Samples besides the grid, in seconds: how often at most, and how close to the one before and to the grid's next one.
EARLY_EVERY = 1.0
CLOSEST = 0.5
# Whoever waits for a sample that is far off says so often, in seconds.
LONGEST_SLEEP = 1.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A point of the grid: its number, counted from 0, its time in monotonic seconds, and how many were skipped."""

    index: int
    at: float
    skipped: int


def next_tick(last: int, start: float, interval: float, now: float) -> Tick:
    """The tick to take after the one numbered `last` (-1 for none yet); it is at most half an interval ago.

    Tick i lies at `start + i * interval`; times are in monotonic seconds.
    """
    reachable = math.ceil((now - start) / interval - LATEST)
    index = max(last + 1, reachable)
    return Tick(index, start + index * interval, index - last - 1)


def warm_up(interval: float) -> float:
    """Seconds between the reading that only starts the rates and the first sample."""
    return min(WARM_UP, interval)


@dataclass(frozen=True, slots=True)
class Due:
    """A sample is due: early, or on the grid, and then so many points of the grid were skipped before it."""

    early: bool
    skipped: int = 0


def early_at(now: float, next_tick_at: float, taken_at: float, early_before: float) -> float | None:
    """When a sample may be taken before the next point of the grid; None if that one is as good.

    All in monotonic seconds: the sample before was taken at `taken_at`, and the early one before at `early_before`.
    """
    at = max(now, taken_at + CLOSEST, early_before + EARLY_EVERY)
    return at if at <= next_tick_at - CLOSEST else None


class Schedule:
    """When samples are due. The first is `first_after` seconds from now."""

    def __init__(self, interval: float, first_after: float = 0.0) -> None:
        self.interval = interval
        self._start = time.monotonic() + first_after
        self._last = -1
        self._taken_at = math.inf
        self._early_before = -math.inf
        self._in_a_hurry = False
        self._woken = asyncio.Event()

    def hurry(self) -> None:
        """Something should not wait for the next point of the grid."""
        self._in_a_hurry = True
        self._woken.set()

    def change(self, interval: float) -> None:
        """Samples are `interval` seconds apart from now on: a new grid begins with the last one that was taken."""
        if interval == self.interval:
            return
        now = time.monotonic()
        self._start = max(now, min(self._taken_at, now) + interval)
        self._last = -1
        self.interval = interval
        self._woken.set()

    async def due(self, beat: Callable[[], None] = lambda: None) -> Due:
        """Wait for the next sample to be due; `beat` is called at least every LONGEST_SLEEP seconds."""
        while True:
            beat()
            now = time.monotonic()
            tick = next_tick(self._last, self._start, self.interval, now)
            if now >= tick.at:
                self._last = tick.index
                return self._taken(Due(early=False, skipped=tick.skipped), now)
            early = early_at(now, tick.at, self._taken_at, self._early_before) if self._in_a_hurry else None
            if early is not None and now >= early:
                self._early_before = now
                return self._taken(Due(early=True), now)
            # Looked at again after it: whoever sleeps may be woken much too late.
            await self._sleep(min((tick.at if early is None else early) - now, LONGEST_SLEEP))

    def _taken(self, due: Due, now: float) -> Due:
        self._taken_at = now
        self._in_a_hurry = False
        return due

    async def _sleep(self, seconds: float) -> None:
        self._woken.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
