"""Rates of counters, shares, and names of instances."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.collectord.probe import Counters, Rates, instance_name, rate, rates, share
from sysmonstm.wire import MAX_TEXT

counters = st.integers(0, 2**64 - 1)
elapsed_times = st.floats(-1e9, 1e9)


@given(counters, counters, elapsed_times)
def test_a_rate_is_never_negative_and_never_infinite(before: int, after: int, elapsed: float) -> None:
    found = rate(before, after, elapsed)
    assert math.isnan(found) or 0 <= found < math.inf


@given(counters, counters, elapsed_times)
def test_a_rate_is_unknown_exactly_when_the_counter_went_backwards_or_no_time_passed(
    before: int, after: int, elapsed: float
) -> None:
    assert math.isnan(rate(before, after, elapsed)) == (after < before or elapsed < 1e-3)


@given(counters, st.integers(0, 2**40), st.floats(1e-3, 1e6))
def test_a_rate_times_the_time_is_what_the_counter_grew_by(before: int, growth: int, elapsed: float) -> None:
    assert rate(before, before + growth, elapsed) * elapsed == pytest.approx(growth, rel=1e-9)


def test_the_first_reading_of_an_instance_has_no_rate_and_leaves_the_others_alone() -> None:
    earlier = Counters(10.0, {"a": (100, 5)})
    later = Counters(12.0, {"a": (300, 4), "b": (7, 7)})
    found = rates(earlier, later)
    assert found["a"][0] == 100
    assert all(map(math.isnan, (found["a"][1], *found["b"])))


def test_rates_are_taken_from_the_reading_before_even_after_a_reset() -> None:
    remembered = Rates()
    assert math.isnan(remembered.since_last(1.0, {"": [1000]})[""][0])
    assert math.isnan(remembered.since_last(2.0, {"": [10]})[""][0])
    assert remembered.since_last(4.0, {"": [30]}) == {"": [10.0]}


def test_an_instance_that_was_away_starts_anew() -> None:
    remembered = Rates()
    remembered.since_last(1.0, {"usb": [10]})
    assert remembered.since_last(2.0, {}) == {}
    assert math.isnan(remembered.since_last(3.0, {"usb": [20]})["usb"][0])


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_a_share_is_unknown_or_within_0_and_100(part: float, whole: float) -> None:
    found = share(part, whole)
    assert math.isnan(found) if whole <= 0 else 0 <= found <= 100


@given(st.text(st.characters(), max_size=2 * MAX_TEXT))
def test_every_name_becomes_an_instance_that_the_wire_takes(name: str) -> None:
    found = instance_name(name)
    assert found.isprintable()
    assert len(found) <= MAX_TEXT
    found.encode()


def test_a_name_with_a_newline_or_a_stray_byte_stays_readable() -> None:
    assert instance_name("/mnt/two\nlines") == "/mnt/two\\nlines"
    assert instance_name(b"/mnt/\xff".decode(errors="surrogateescape")) == "/mnt/\\udcff"
