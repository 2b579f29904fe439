"""Samples lie on a grid of monotonic time."""

from __future__ import annotations

import asyncio
import math
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.collectord.grid import CLOSEST, EARLY_EVERY, Due, Schedule, early_at, next_tick, warm_up

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


async def test_samples_come_no_earlier_than_due_and_a_slow_consumer_is_told_what_it_missed() -> None:
    schedule, started = Schedule(0.1), time.monotonic()
    taken = []
    for number in range(3):
        taken.append(await schedule.due())
        assert time.monotonic() >= started + 0.1 * number
        if number == 1:
            await asyncio.sleep(0.36)
    assert [one.early for one in taken] == [False] * 3
    assert taken[2].skipped >= 2


async def test_the_first_sample_can_wait_for_a_second_reading() -> None:
    before = time.monotonic()
    assert await Schedule(5.0, first_after=0.05).due() == Due(early=False)
    assert time.monotonic() - before >= 0.05


@pytest.mark.parametrize(
    ("now", "taken_at", "early_before", "at"),
    [
        (102.0, 100.0, 0.0, 102.0),  # at once
        (100.1, 100.0, 0.0, 100.5),  # not too close to the sample before
        (102.1, 101.9, 101.9, 102.9),  # one a second
        (104.5, 100.0, 0.0, 104.5),
        (104.6, 100.0, 0.0, None),  # the grid's next one is as good
        (104.2, 103.9, 103.9, None),
        (100.0, math.inf, 0.0, None),  # not before the first
    ],
)
def test_when_an_early_sample_is_taken(now: float, taken_at: float, early_before: float, at: float | None) -> None:
    assert early_at(now, 105.0, taken_at, early_before) == at


async def test_a_sample_is_taken_early_for_who_is_in_a_hurry_and_the_grid_stays() -> None:
    schedule, started = Schedule(3.0), time.monotonic()
    assert await schedule.due() == Due(early=False)
    schedule.hurry()
    assert await schedule.due() == Due(early=True)
    assert CLOSEST <= time.monotonic() - started < 2.5
    asyncio.get_running_loop().call_later(0.05, schedule.hurry)
    assert await schedule.due() == Due(early=True)
    assert time.monotonic() - started >= CLOSEST + EARLY_EVERY
    assert await schedule.due() == Due(early=False)
    assert time.monotonic() - started >= 3.0


async def test_nobody_in_a_hurry_gets_a_second_sample_for_it() -> None:
    schedule = Schedule(0.2)
    await schedule.due()
    schedule.hurry()
    assert [await schedule.due() for _ in range(3)] == [Due(early=False)] * 3


async def test_another_interval_begins_with_the_last_sample() -> None:
    schedule = Schedule(3600.0)
    started = time.monotonic()
    await schedule.due()
    asyncio.get_running_loop().call_later(0.05, schedule.change, 0.3)
    assert await schedule.due() == Due(early=False)
    assert 0.3 <= time.monotonic() - started < 60
    assert schedule.interval == 0.3


def test_the_warm_up_is_a_second_at_most() -> None:
    assert (warm_up(0.1), warm_up(5.0)) == (0.1, 1.0)
