"""When samples are due: on a fixed grid of monotonic time, so that they neither drift nor bunch."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

# In intervals. A sample may be this late; after that it is skipped, so two are never closer than half an interval.
LATEST = 0.5
# Rates need two readings. How many seconds lie between the first two, so that a newcomer sees numbers soon.
WARM_UP = 1.0


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


async def ticks(interval: float, first_after: float = 0.0) -> AsyncIterator[Tick]:
    """Wait for each tick in turn and yield it; the first comes `first_after` seconds from now."""
    start = time.monotonic() + first_after
    last = -1
    while True:
        now = time.monotonic()
        tick = next_tick(last, start, interval, now)
        if now < tick.at:
            # Looked at again after it: whoever sleeps may be woken much too late.
            await asyncio.sleep(tick.at - now)
            continue
        last = tick.index
        yield tick
