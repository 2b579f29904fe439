"""A seed gives one schedule, whenever and wherever."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.schedule import Fault, Span, plan

KINDS = ("kill", "freeze", "cut")


@given(seed=st.integers(0, 2**32), seconds=st.floats(0, 300))
def test_a_plan_repeats_fills_its_time_and_has_every_kind_about_as_often(seed: int, seconds: float) -> None:
    faults, again = (plan(random.Random(seed), seconds, KINDS, Span(1, 3), Span(0.5, 2)) for _ in range(2))
    assert faults == again
    assert sum(fault.after + fault.lasts for fault in faults) >= seconds
    assert all(1 <= fault.after <= 3 and 0.5 <= fault.lasts <= 2 for fault in faults)
    times = [sum(fault.kind == kind for fault in faults) for kind in KINDS]
    assert min(times) >= 1
    assert max(times) - min(times) <= 1


def test_a_plan_is_what_it_was() -> None:
    """A seed that found something must find it again next year."""
    assert plan(random.Random(7), 3, KINDS, Span(1, 2), Span(0, 1)) == [
        Fault("freeze", 1.651, 0.072),
        Fault("kill", 1.536, 0.366),
        Fault("cut", 1.058, 0.507),
    ]
