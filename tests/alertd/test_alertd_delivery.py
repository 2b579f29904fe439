"""What becomes of a notification after an attempt, and how things are said."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.alertd.alerts import duration, quantity
from sysmonstm.alertd.delivery import GIVE_UP_SECONDS, LONGEST_WAIT_SECONDS, backoff, settle
from sysmonstm.alertd.store import Settled
from sysmonstm.alertd.webhook import Answer, answer_of, shown_address
from sysmonstm.metric import Unit


@given(st.integers(1, 10_000), st.integers())
def test_waits_grow_to_a_limit_and_differ_by_chance(attempt: int, seed: int) -> None:
    wait = backoff(attempt, random.Random(seed))
    assert 0 <= wait <= min(LONGEST_WAIT_SECONDS, 2.0 ** min(attempt, 30))
    assert wait != backoff(attempt, random.Random(seed + 1))


@given(st.integers(1, 100), st.floats(0, GIVE_UP_SECONDS, exclude_max=True))
def test_a_failure_is_tried_again_within_the_hour(attempts: int, age: float) -> None:
    settled = settle(Answer("answered 404"), attempts, age, random.Random(1))
    assert settled.retry_seconds is not None and not settled.given_up
    assert age + settled.retry_seconds <= GIVE_UP_SECONDS + 1e-6


def test_only_the_end_of_the_hour_is_the_end() -> None:
    assert settle(Answer("answered 404"), 1, GIVE_UP_SECONDS, random.Random(1)) == Settled("answered 404")
    assert settle(Answer(), 5, 100.0, random.Random(1)) == Settled()


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_is_taken(status: int) -> None:
    assert answer_of(status) == Answer(None, status)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 408, 410, 429, 500, 503])
def test_whatever_is_no_success_is_not_taken(status: int) -> None:
    assert str(status) in (answer_of(status).error or "")


def test_the_address_that_is_logged_holds_no_secret() -> None:
    assert shown_address("https://user:pw@hooks.example:444/services/T0/B0/xyz?token=1") == "https://hooks.example"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.2, "0.2 s"),
        (0.00025, "0.00025 s"),
        (45.4, "45 s"),
        (600, "10 min"),
        (5400, "1 h 30 min"),
        (3601, "1 h 1 s"),
        (1e6, "11 d 13 h"),
        (-90, "-1 min 30 s"),
        (1e9 * 86400, "1,000,000,000 d"),
    ],
)
def test_durations_are_written_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (91.30000305, "percent", "91.3%"),
        (100.0, "percent", "100%"),
        (123456.0, "percent", "123,456%"),
        (0.00001234, "percent", "0.00001234%"),
        (1536.0, "bytes", "1.5 KiB"),
        (12.0, "bytes", "12 B"),
        (3 * 1024.0**2, "bytes/s", "3 MiB/s"),
        (2.0**70, "bytes", "1,048,576 PiB"),
        (3.0, "count", "3"),
        (-1234.5, "count", "-1,234"),
        (123456.0, "count", "123,456"),
        (2_500_000.0, "count", "2.5M"),
        (3.25, "count/s", "3.25/s"),
        (12_345_678_900.0, "count/s", "12.35G/s"),
        (0.5, "seconds", "0.5 s"),
        (864_000.0, "seconds", "10 d"),
        (3.0, "furlongs", "3 furlongs"),
    ],
)
def test_quantities_are_written_as_people_do(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(Unit))
def test_no_quantity_is_a_power_of_ten(value: float, unit: Unit) -> None:
    assert not re.search(r"[0-9]e[-+]?[0-9]", quantity(value, unit))
