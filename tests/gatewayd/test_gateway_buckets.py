"""The choice of buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sysmonstm.gatewayd.buckets import Tier, choose

TIMES = st.integers(0, 4_102_444_800_000_000)
POINTS = st.integers(1, 5000)
INTERVALS = st.integers(100_000, 3_600_000_000)
SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
ALL_RAW = (Tier(0, -math.inf), Tier(MINUTE, -math.inf), Tier(HOUR, -math.inf))


@st.composite
def kept(draw: st.DrawFn) -> tuple[Tier, ...]:
    """Tiers, each kept at least as long as the finer ones."""
    hour, minute, raw = sorted(draw(st.lists(TIMES | st.just(-math.inf), min_size=3, max_size=3)))
    return Tier(0, raw), Tier(MINUTE, minute), Tier(HOUR, hour)


@given(TIMES, st.integers(1, 10**16), POINTS, INTERVALS, kept())
@example(0, HOUR, 720, 5 * SECOND, ALL_RAW)
def test_buckets_cover_the_range_and_are_no_more_than_asked_for_nor_finer_than_the_machine(
    from_us: int, length_us: int, points: int, interval_us: int, tiers: tuple[Tier, ...]
) -> None:
    to_us = from_us + length_us
    buckets = choose(from_us, to_us, points, interval_us, tiers)
    assert 1 <= buckets.count <= points
    assert buckets.step_us >= 2 * interval_us
    assert buckets.position(from_us) == 0
    assert buckets.position(to_us - 1) == buckets.count - 1
    assert points == 1 or buckets.start_us % buckets.step_us == 0


@given(TIMES, st.integers(1, 10**16), POINTS, INTERVALS, kept())
def test_buckets_are_as_wide_as_what_is_kept_and_hold_whole_rows_of_it(
    from_us: int, length_us: int, points: int, interval_us: int, tiers: tuple[Tier, ...]
) -> None:
    buckets = choose(from_us, from_us + length_us, points, interval_us, tiers)
    kept = [tier.step_us for tier in tiers if tier.kept_from_us <= from_us]
    assert buckets.step_us >= (min(kept) if kept else HOUR)
    used = max(tier.step_us for tier in tiers if tier.step_us <= buckets.step_us)
    assert points == 1 or used == 0 or buckets.step_us % used == 0


@given(TIMES, st.integers(10**6, 10**12), st.integers(2, 5000), st.integers(1, 10**12))
def test_a_range_that_moves_on_keeps_its_buckets(from_us: int, length_us: int, points: int, moved_us: int) -> None:
    before = choose(from_us, from_us + length_us, points, 1, ALL_RAW)
    after = choose(from_us + moved_us, from_us + moved_us + length_us, points, 1, ALL_RAW)
    if before.step_us == after.step_us:
        assert (after.start_us - before.start_us) % before.step_us == 0


@given(TIMES, st.integers(0, 5 * SECOND), st.lists(st.integers(-SECOND, SECOND), min_size=50, max_size=50))
def test_samples_that_come_on_time_but_for_their_jitter_leave_no_bucket_empty(
    start_us: int, phase_us: int, jitter_us: list[int]
) -> None:
    interval_us = 5 * SECOND
    times = [start_us + phase_us + number * interval_us + shift for number, shift in enumerate(jitter_us, 1)]
    buckets = choose(times[0], times[-1] + 1, 5000, interval_us, ALL_RAW)
    filled = {buckets.position(time) for time in times}
    # At its ends a range may begin or end within a bucket.
    assert set(range(1, buckets.count - 1)) <= filled


@pytest.mark.parametrize(
    ("length_us", "points", "step_us"),
    [
        (HOUR, 5000, 10 * SECOND),
        (HOUR, 100, 36 * SECOND),
        (HOUR, 50, 120 * SECOND),
        (30 * 24 * HOUR, 500, 2 * HOUR),
        (30 * 24 * HOUR, 5000, 540 * SECOND),
    ],
)
def test_the_width_of_buckets_where_everything_is_kept(length_us: int, points: int, step_us: int) -> None:
    assert choose(0, length_us, points, 5 * SECOND, ALL_RAW).step_us == step_us


@pytest.mark.parametrize(("from_us", "step_us"), [(50, HOUR), (100, HOUR), (200, MINUTE), (300, 10 * SECOND)])
def test_where_a_range_begins_in_time_that_only_a_coarser_tier_keeps_buckets_are_as_wide_as_its_rows(
    from_us: int, step_us: int
) -> None:
    tiers = (Tier(0, 300), Tier(MINUTE, 200), Tier(HOUR, 100))
    assert choose(from_us, from_us + HOUR, 5000, 5 * SECOND, tiers).step_us == step_us


def test_a_single_bucket_is_the_range_itself() -> None:
    assert choose(7, 107, 1, 10, ALL_RAW).times() == [7e-6]
