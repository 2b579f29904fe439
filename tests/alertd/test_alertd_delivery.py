"""What becomes of a notification after an attempt, and how things are said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.alertd.alerts import duration, quantity
from sysmonstm.alertd.delivery import GIVE_UP_SECONDS, LONGEST_WAIT_SECONDS, backoff, settle, shown_address
from sysmonstm.alertd.store import Settled
from sysmonstm.alertd.webhook import Answer, answer_of


@given(st.integers(1, 10_000), st.integers())
def test_waits_grow_to_a_limit_and_differ_by_chance(attempt: int, seed: int) -> None:
    wait = backoff(attempt, random.Random(seed))
    assert 0 <= wait <= min(LONGEST_WAIT_SECONDS, 2.0 ** min(attempt, 30))
    assert wait != backoff(attempt, random.Random(seed + 1))


@given(st.integers(1, 100), st.floats(0, GIVE_UP_SECONDS))
def test_a_passing_failure_is_tried_again_within_the_hour(attempts: int, age: float) -> None:
    settled = settle(Answer("answered 503"), attempts, age, random.Random(1))
    assert settled.retry_seconds is not None and not settled.given_up
    assert age + settled.retry_seconds <= GIVE_UP_SECONDS + 1e-6


def test_a_permanent_refusal_is_given_up_at_once() -> None:
    assert settle(Answer("answered 404", permanent=True), 1, 0.0, random.Random(1)) == Settled("answered 404")
    assert settle(Answer(), 5, 100.0, random.Random(1)) == Settled()


@pytest.mark.parametrize(
    ("status", "taken", "permanent"),
    [
        (200, True, False),
        (204, True, False),
        (302, False, False),
        (400, False, True),
        (404, False, True),
        (408, False, False),
        (410, False, True),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_statuses_mean_what_http_says(status: int, taken: bool, permanent: bool) -> None:
    answer = answer_of(status)
    assert (answer.error is None, answer.permanent) == (taken, permanent)


def test_the_address_that_is_logged_holds_no_secret() -> None:
    assert shown_address("https://user:pw@hooks.example:444/services/T0/B0/xyz?token=1") == "https://hooks.example"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.2, "0.2 s"), (45.4, "45 s"), (600, "10 min"), (5400, "1 h 30 min"), (3601, "1 h 1 s")],
)
def test_durations_are_written_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (91.30000305, "percent", "91.3 %"),
        (1536.0, "bytes", "1.5 KiB"),
        (12.0, "bytes", "12 B"),
        (3 * 1024.0**2, "bytes/s", "3 MiB/s"),
        (2.0**70, "bytes", "1.049e+06 PiB"),
        (3.0, "count", "3"),
        (3.25, "count/s", "3.25 count/s"),
        (0.5, "seconds", "0.5 seconds"),
    ],
)
def test_quantities_are_written_as_people_do(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words
