"""What a sample holds follows from who takes it, and a float32 keeps it."""

from __future__ import annotations

import itertools
import math
from array import array

from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.wire import check_events
from tests.faults import payload
from tests.faults.payload import LAYOUTS, NUMBER, ORIGIN, SAMPLES_PER_LAYOUT, bits, layout_of, values_of

WIDTHS = st.integers(4, 200)


@given(origin=st.integers(0, 10_000), number=st.integers(1, 2**24), width=WIDTHS)
def test_values_repeat_fit_their_layout_and_a_float32(origin: int, number: int, width: int) -> None:
    values = values_of(origin, number, width)
    assert bits(values) == bits(values_of(origin, number, width))
    assert len(values) == len(layout_of(number, width).series)
    assert (values[NUMBER], values[ORIGIN]) == (number, origin)
    assert bits(values) == bits(array("f", values))
    assert not any(map(math.isinf, values))
    assert all(math.isnan(value) or array("f", [value])[0] == value for value in values)


def test_two_collectors_and_two_numbers_differ_and_some_values_are_not_read() -> None:
    seen = {bits(values_of(origin, number, 20)[2:]) for origin in range(20) for number in range(50)}
    assert len(seen) == 1000
    assert any(math.isnan(value) for number in range(20) for value in values_of(1, number, 20))


def test_layouts_change_now_and_then() -> None:
    ids = [layout_of(number, 10).id for number in range(LAYOUTS * SAMPLES_PER_LAYOUT)]
    assert len(set(ids)) == LAYOUTS
    assert sum(one != other for one, other in itertools.pairwise(ids)) == LAYOUTS - 1
    assert layout_of(LAYOUTS * SAMPLES_PER_LAYOUT, 10).id == ids[0]


def test_a_share_of_the_samples_tells_of_something_that_keeps_the_contract() -> None:
    told = [payload.events_of(3, number, 1_750_000_000_000_000) for number in range(1, 301)]
    assert [len(events) for events in told[9::10]] == [2, 3, 1] * 10
    assert sum(map(bool, told)) == 30
    for events in told:
        check_events(events)
