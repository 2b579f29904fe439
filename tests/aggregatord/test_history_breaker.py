from __future__ import annotations

import random

import psycopg
import pytest
from psycopg import errors

from sysmonstm.aggregatord.history import faults
from sysmonstm.aggregatord.history.breaker import BASE_SECONDS, CAP_SECONDS, Breaker, State
from sysmonstm.aggregatord.history.faults import VanishedError, Verdict, verdict, verdict_in_the_end

NOW = 1000.0


class Longest(random.Random):
    """Waits as long as may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


def after(failures: int) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker = breaker.trying().failed(NOW, Longest())
    return breaker


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, BASE_SECONDS), (2, 2 * BASE_SECONDS), (3, 4 * BASE_SECONDS), (9, CAP_SECONDS), (10_000, CAP_SECONDS)],
)
def test_the_wait_doubles_with_each_failure_up_to_a_bound(failures: int, seconds: float) -> None:
    breaker = after(failures)
    assert breaker.wait_seconds(NOW) == seconds
    assert breaker.wait_seconds(NOW + seconds / 2) == seconds / 2
    assert breaker.wait_seconds(NOW + seconds + 1) == 0


def test_the_wait_is_jittered_from_nothing_on() -> None:
    waits = [Breaker(failures=9).failed(NOW, random.Random(seed)).next_try - NOW for seed in range(200)]
    assert min(waits) < CAP_SECONDS / 10
    assert max(waits) > CAP_SECONDS * 9 / 10


@pytest.mark.parametrize(
    ("breaker", "state", "failures"),
    [
        (Breaker(), State.OPEN, 0),
        (Breaker().trying(), State.HALF_OPEN, 0),
        (Breaker().trying().worked(), State.CLOSED, 0),
        (Breaker().trying().failed(NOW, random.Random(1)), State.OPEN, 1),
        (after(3).trying(), State.HALF_OPEN, 3),
        (after(3).trying().failed(NOW, random.Random(1)), State.OPEN, 4),
        (after(3).trying().worked(), State.CLOSED, 0),
        (Breaker().trying().worked().failed(NOW, random.Random(1)), State.OPEN, 1),
    ],
)
def test_one_try_says_what_comes_next(breaker: Breaker, state: State, failures: int) -> None:
    assert (breaker.state, breaker.failures) == (state, failures)


@pytest.mark.parametrize(
    ("error", "first", "in_the_end"),
    [
        (errors.DeadlockDetected("x"), Verdict.AGAIN, Verdict.AWAY),
        (errors.SerializationFailure("x"), Verdict.AGAIN, Verdict.AWAY),
        (errors.LockNotAvailable("x"), Verdict.AGAIN, Verdict.AWAY),
        (errors.UniqueViolation("x"), Verdict.AGAIN, Verdict.REFUSED),
        (errors.DuplicateTable('relation "_hyper_1_2_chunk" already exists'), Verdict.AGAIN, Verdict.AWAY),
        (errors.UndefinedTable('relation "_timescaledb_internal._hyper_1_2" does'), Verdict.AGAIN, Verdict.AWAY),
        (errors.InternalError_("tuple concurrently updated"), Verdict.AGAIN, Verdict.AWAY),
        (errors.InternalError_("could not open relation with OID 7"), Verdict.AGAIN, Verdict.AWAY),
        (errors.InternalError_("invalid page"), Verdict.AWAY, Verdict.AWAY),
        (errors.UndefinedTable('relation "frames" does not exist'), Verdict.AWAY, Verdict.AWAY),
        (errors.UndefinedColumn("x"), Verdict.AWAY, Verdict.AWAY),
        (errors.InsufficientPrivilege("x"), Verdict.AWAY, Verdict.AWAY),
        (errors.DiskFull("x"), Verdict.AWAY, Verdict.AWAY),
        (errors.ReadOnlySqlTransaction("x"), Verdict.AWAY, Verdict.AWAY),
        (errors.AdminShutdown("x"), Verdict.AWAY, Verdict.AWAY),
        (errors.QueryCanceled("x"), Verdict.AWAY, Verdict.AWAY),
        (psycopg.OperationalError("the connection is closed"), Verdict.AWAY, Verdict.AWAY),
        (errors.CheckViolation("x"), Verdict.REFUSED, Verdict.REFUSED),
        (errors.DatetimeFieldOverflow("x"), Verdict.REFUSED, Verdict.REFUSED),
        (errors.ProgramLimitExceeded("x"), Verdict.REFUSED, Verdict.REFUSED),
        (errors.RaiseException("x"), Verdict.REFUSED, Verdict.REFUSED),
        (psycopg.DataError("NUL"), Verdict.REFUSED, Verdict.REFUSED),
        (errors.ForeignKeyViolation("x"), Verdict.FORGOTTEN, Verdict.REFUSED),
        (VanishedError(), Verdict.FORGOTTEN, Verdict.AWAY),
        (psycopg.ProgrammingError("the query has 3 placeholders"), Verdict.BUG, Verdict.BUG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_an_error_asks_for(error: psycopg.Error | VanishedError, first: Verdict, in_the_end: Verdict) -> None:
    assert (verdict(error), verdict_in_the_end(error)) == (first, in_the_end)


def test_a_reason_is_one_short_line_that_no_terminal_heeds() -> None:
    assert faults.reason(psycopg.DataError("bad \x1b[31mvalue\nDETAIL: the whole row")) == "bad \\x1b[31mvalue"
    assert len(faults.reason(psycopg.DataError("x" * 5000))) == faults.MOST_REASON_CHARACTERS
    assert faults.reason(psycopg.DataError("")) == "DataError"
