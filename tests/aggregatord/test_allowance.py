from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmonstm.aggregatord.allowance import SHUT, UNKNOWN_FRAME_BYTES, Allowance, Pace


def told(*paces: Pace) -> Allowance:
    allowance = Allowance()
    for pace in paces:
        allowance.tell(pace)
    return allowance


def test_what_was_told_before_still_holds_for_what_was_on_its_way() -> None:
    allowance = told(Pace(4, 10), Pace(1, 5), SHUT)
    for _ in range(4):
        assert allowance.why_not(10) == ""
        allowance.take(10, 1000)
    assert "4 batches are unacknowledged" in allowance.why_not(1)


def test_what_is_settled_makes_room_only_once_it_is_told() -> None:
    allowance = told(Pace(1, 10))
    allowance.take(1, 100)
    allowance.tell(Pace(1, 10))
    assert allowance.why_not(1)
    allowance.settle(100)
    assert allowance.why_not(1)
    allowance.tell(Pace(1, 10))
    assert not allowance.why_not(1)


@pytest.mark.parametrize(
    ("paces", "batches", "frames"),
    [
        ([SHUT], 0, 0),
        ([Pace(8, 4)], 0, 32),
        ([Pace(8, 4)], 3, 20),
        ([Pace(8, 4), SHUT], 3, 20),
        # Whichever of them the collector goes by.
        ([Pace(2, 100), Pace(8, 10)], 0, 200 + 60),
        ([Pace(2, 100), Pace(8, 10)], 1, 100 + 60),
        ([Pace(8, 10), Pace(2, 100)], 0, 200 + 60),
        ([Pace(8, 10), Pace(2, 5)], 0, 80),
    ],
)
def test_what_may_still_come_is_known(paces: list[Pace], batches: int, frames: int) -> None:
    allowance = told(*paces)
    for _ in range(batches):
        allowance.take(1, UNKNOWN_FRAME_BYTES)
    assert allowance.promised_bytes == frames * UNKNOWN_FRAME_BYTES


@pytest.mark.parametrize(
    ("paces", "frames", "hungry"),
    [
        ([Pace(8, 4)], 1, False),
        ([Pace(8, 4)], 4, True),
        ([Pace(8, 500)], 200, False),
        ([Pace(8, 500)], 499, True),
        # It may not have heard of the larger one, nor of the smaller.
        ([Pace(8, 4), Pace(8, 500)], 4, True),
        ([Pace(8, 500), Pace(8, 4)], 4, True),
        ([Pace(8, 500), SHUT, Pace(8, 500)], 4, False),
        ([Pace(8, 4)], 0, False),
    ],
)
def test_who_sends_full_batches_has_more(paces: list[Pace], frames: int, hungry: bool) -> None:
    allowance = told(*paces)
    allowance.take(frames, 1000)
    assert allowance.hungry is hungry


paces = st.builds(Pace, st.integers(0, 4), st.integers(1, 4))


@settings(deadline=None)
@given(st.lists(paces, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_collector_that_keeps_to_what_it_has_heard_is_never_refused(story: list[Pace], rng: random.Random) -> None:
    """However late it hears of it; and what it sends is never more than was counted upon."""
    allowance = Allowance()
    said: list[tuple[Pace, int]] = []
    heard, sent, settled = -1, 0, 0
    for pace in story:
        settled = rng.randint(settled, sent)
        while allowance.unsettled_bytes > sent - settled:
            allowance.settle(1)
        allowance.tell(pace)
        said.append((pace, settled))
        heard = rng.randint(heard, len(said) - 1)
        for _ in range(rng.randint(0, 5)):
            if heard >= 0 and sent - said[heard][1] < said[heard][0].window:
                promised = allowance.promised_bytes // allowance.frame_bytes
                assert allowance.why_not(said[heard][0].frames) == ""
                assert promised >= said[heard][0].frames
                allowance.take(said[heard][0].frames, 1)
                sent += 1
