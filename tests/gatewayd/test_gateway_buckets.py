"""The choice of buckets."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sysmonstm.gatewayd.buckets import choose

TIMES = st.integers(0, 4_102_444_800_000_000)


@given(TIMES, st.integers(1, 10**16), st.integers(1, 5000), st.integers(100_000, 3_600_000_000))
@example(0, 3_600_000_000, 720, 5_000_000)
def test_buckets_cover_the_range_and_are_no_more_than_asked_for_nor_finer_than_the_machine(
    from_us: int, length_us: int, points: int, interval_us: int
) -> None:
    to_us = from_us + length_us
    buckets = choose(from_us, to_us, points, interval_us)
    assert 1 <= buckets.count <= points
    assert buckets.step_us >= interval_us
    assert buckets.position(from_us) == 0
    assert buckets.position(to_us - 1) == buckets.count - 1
    assert points == 1 or buckets.start_us % buckets.step_us == 0


@given(TIMES, st.integers(10**6, 10**12), st.integers(2, 5000), st.integers(1, 10**12))
def test_a_range_that_moves_on_keeps_its_buckets(from_us: int, length_us: int, points: int, moved_us: int) -> None:
    before = choose(from_us, from_us + length_us, points, 1)
    after = choose(from_us + moved_us, from_us + moved_us + length_us, points, 1)
    if before.step_us == after.step_us:
        assert (after.start_us - before.start_us) % before.step_us == 0


def test_where_samples_are_fewer_than_points_each_has_a_bucket_of_its_own() -> None:
    assert choose(0, 3_600_000_000, 5000, 5_000_000).step_us == 5_000_000


def test_a_single_bucket_is_the_range_itself() -> None:
    assert choose(7, 107, 1, 10).times() == [7e-6]
