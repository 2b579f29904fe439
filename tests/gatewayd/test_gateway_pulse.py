"""Whether a client lives, by what it takes and what it says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from sysmonstm.gatewayd.pulse import LOOK_SECONDS, Pulse, Verdict


def seen(
    written: Callable[[float], int], taken: Callable[[float], int], seconds: float = 600.0
) -> tuple[Verdict, float]:
    """What becomes of a client that says nothing, and after how many seconds."""
    pulse = Pulse(0.0)
    now, verdict, pinged = 0.0, Verdict.LIVES, 0
    while now < 600 and verdict in (Verdict.LIVES, Verdict.PING):
        now += LOOK_SECONDS
        verdict = pulse.look(now, written(now) + 2 * pinged, min(taken(now), written(now) + 2 * pinged))
        pinged += verdict is Verdict.PING
    return verdict, now


@pytest.mark.parametrize(
    ("written", "taken", "verdict"),
    [
        pytest.param(lambda now: 0, lambda now: 0, Verdict.STALLED, id="the ping is not taken"),
        pytest.param(lambda now: 0, lambda now: 10**9, Verdict.SILENT, id="the ping is taken and not answered"),
        pytest.param(lambda now: 10**6, lambda now: 5000, Verdict.STALLED, id="it stops taking"),
        pytest.param(lambda now: 10**6, lambda now: int(min(now, 4) * 10**3), Verdict.STALLED, id="a moment later"),
        pytest.param(lambda now: int(now * 10**6), lambda now: 10**9, Verdict.SILENT, id="its kernel goes on taking"),
        pytest.param(
            lambda now: int(now * 10**6), lambda now: int((now - now % 10) * 10**6), Verdict.SILENT, id="by fits"
        ),
    ],
)
def test_who_is_dead_is_found_out_within_a_minute(
    written: Callable[[float], int], taken: Callable[[float], int], verdict: Verdict
) -> None:
    found, after = seen(written, taken)
    assert found is verdict
    assert after <= 60


def test_who_takes_what_lies_before_the_ping_lives_however_long_that_takes() -> None:
    # 1 MB at 8 kB/s.
    found, after = seen(lambda now: 1_000_000, lambda now: int(8000 * now))
    assert found is Verdict.SILENT
    assert after == pytest.approx(1_000_000 / 8000 + 30, abs=2 * LOOK_SECONDS)


def test_who_answers_lives_and_is_asked_again_only_after_a_while() -> None:
    pulse = Pulse(0.0)
    pings = []
    for second in range(5, 600, 5):
        verdict = pulse.look(second, 1000 * second, 1000 * second)
        assert verdict in (Verdict.LIVES, Verdict.PING)
        if verdict is Verdict.PING:
            pings.append(second)
            pulse.heard(second + 2)
    assert {later - earlier for earlier, later in pairwise(pings)} == {20}
