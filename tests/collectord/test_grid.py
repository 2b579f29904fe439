"""Samples lie on a grid of monotonic time."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.collectord.grid import next_tick, ticks, warm_up

intervals = st.sampled_from([0.1, 0.5, 1.0, 5.0, 60.0, 3600.0])


@given(st.floats(0, 1e7), intervals, st.lists(st.floats(0, 20), min_size=1, max_size=30))
def test_ticks_are_on_the_grid_only_grow_and_never_bunch(start: float, interval: float, delays: list[float]) -> None:
    """`delays`: how long, in intervals, each sample and the wake-up after it take."""
    now, last, taken = start, -1, []
    for delay in delays:
        tick = next_tick(last, start, interval, now)
        assert tick.index > last
        assert tick.at == pytest.approx(start + tick.index * interval)
        assert tick.skipped == tick.index - last - 1
        # It is taken when it is due, or at once if that is a little while ago.
        assert now - tick.at <= interval * 0.5 + 1e-6
        now = max(now, tick.at)
        taken.append(now)
        now, last = now + delay * interval, tick.index
    for one, other in pairwise(taken):
        assert other - one >= interval * 0.5 - 1e-6


@given(st.floats(0, 1e7), intervals, st.integers(-1, 10_000), st.floats(0, 1000))
def test_nothing_is_skipped_that_could_still_be_taken(start: float, interval: float, last: int, late: float) -> None:
    now = start + (last + 1 + late) * interval
    tick = next_tick(last, start, interval, now)
    if tick.skipped:
        assert now - (tick.at - interval) >= interval * 0.5 - 1e-6


@pytest.mark.parametrize(
    ("last", "now", "index", "skipped"),
    [
        (-1, 90.0, 0, 0),  # before the first
        (0, 101.0, 1, 0),
        (0, 105.0, 1, 0),  # woken to the moment
        (0, 107.0, 1, 0),  # late, but it can still be taken
        (0, 108.0, 2, 1),  # too late: the next is nearer
        (0, 127.0, 5, 4),  # the machine was suspended
        (3, 101.0, 4, 0),  # never the same again
    ],
)
def test_a_late_wake_up_skips_to_the_next_point(last: int, now: float, index: int, skipped: int) -> None:
    tick = next_tick(last, 100.0, 5.0, now)
    assert (tick.index, tick.at, tick.skipped) == (index, 100.0 + 5.0 * index, skipped)


async def test_ticks_come_no_earlier_than_due_and_say_what_a_slow_consumer_missed() -> None:
    taken = []
    async for tick in ticks(0.1):
        assert time.monotonic() >= tick.at
        taken.append(tick)
        if len(taken) == 2:
            await asyncio.sleep(0.36)
        if len(taken) == 3:
            break
    assert taken[0].index == 0
    assert taken[2].skipped >= 2
    assert taken[2].index == taken[1].index + taken[2].skipped + 1


async def test_the_first_tick_can_wait_for_a_second_reading() -> None:
    before = time.monotonic()
    async for tick in ticks(5.0, first_after=0.05):
        assert tick.index == 0
        assert time.monotonic() - before >= 0.05
        break


def test_the_warm_up_is_a_second_at_most() -> None:
    assert (warm_up(0.1), warm_up(5.0)) == (0.1, 1.0)
