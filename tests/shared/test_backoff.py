from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.backoff import full_jitter

seconds = st.floats(0.001, 1000)


@given(st.integers(0, 10**9), seconds, seconds, st.randoms(use_true_random=False))
def test_a_wait_lies_between_nothing_and_the_doubled_up_bound(
    attempt: int, base: float, cap: float, rng: random.Random
) -> None:
    bound = min(cap, base * 2.0 ** min(attempt, 60))
    assert 0 <= full_jitter(attempt, base, cap, rng) <= bound


@given(st.integers(0, 8))
def test_waits_use_the_whole_of_the_range(attempt: int) -> None:
    """Full jitter: neither a floor nor a lump at the bound, or those who failed at once come back at once."""
    rng = random.Random(attempt)
    waits = [full_jitter(attempt, 1.0, 60.0, rng) / min(60.0, 2.0**attempt) for _ in range(400)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95
    assert 0.4 < sum(waits) / len(waits) < 0.6
