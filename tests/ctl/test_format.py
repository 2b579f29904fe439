"""Values and names as people read them."""

from __future__ import annotations

import math

import pytest

from sysmonstm.ctl.format import ago_text, duration_text, number_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (86399, "23h 59m"),
        (86400, "1d 0h"),
        (1500000, "17d 8h"),
        (-3, "0s"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_durations_have_the_two_units_that_matter(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


def test_what_was_not_read_is_a_dash_and_never_a_zero() -> None:
    assert [number_text(value) for value in (None, math.nan, 0.0, 12.34)] == ["–", "–", "0.0", "12.3"]


def test_a_clock_that_is_ahead_makes_no_negative_age() -> None:
    assert [ago_text(then, 100.0) for then in (None, 105.0, 99.0, 40.0)] == ["–", "now", "now", "1m 0s ago"]
