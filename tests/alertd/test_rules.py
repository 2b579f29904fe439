"""The state machine of an alert, on any sequence of samples."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.alertd.rules import Comparison, Limit, Outcome, Phase, Reading, Rule, Severity, State, Step, evaluate

SECOND = 1_000_000
GAP = 15 * SECOND
UP = Limit("cpu.percent", Comparison.ABOVE, threshold=90, clear=80)

# (seconds since the sample before, value)
samples = st.lists(
    st.tuples(st.integers(1, 20), st.sampled_from([70.0, 80.0, 80.5, 85.0, 90.0, 90.5, 95.0, math.nan])), max_size=60
)
holds = st.integers(0, 90).map(lambda seconds: seconds * SECOND)


def walk(
    steps: list[tuple[int, float]], hold: int, state: State | None = None, at: int = 0
) -> list[tuple[int, float, Outcome]]:
    """Every look of a sequence: (time, value, outcome)."""
    looks = []
    for seconds, value in steps:
        at += seconds * SECOND
        outcome = evaluate(state, UP.read(value), value, at, hold_us=hold, gap_us=GAP)
        state = outcome.state
        looks.append((at, value, outcome))
    return looks


def stored(state: State | None) -> State | None:
    """A state after it was written down and read back."""
    if state is None:
        return None
    fields = json.loads(json.dumps(asdict(state)))
    return State(Phase(fields["phase"]), fields["since_us"], fields["seen_us"], fields["value"])


@given(samples, holds)
def test_an_alert_fires_only_after_the_condition_was_seen_to_hold_for_long_enough(
    steps: list[tuple[int, float]], hold: int
) -> None:
    looks = walk(steps, hold)
    for index, (fired_at, _, outcome) in enumerate(looks):
        if outcome.step is not Step.FIRED:
            continue
        # Back from here: an unbroken run of samples above the threshold, none further from the next than the gap.
        run = [(at, value) for at, value, _ in looks[: index + 1] if not math.isnan(value)]
        began = fired_at
        for at, value in reversed(run):
            if value <= 90 or began - at > GAP:
                break
            began = at
        assert fired_at - began >= hold


@given(samples, holds)
def test_an_alert_that_holds_for_long_enough_does_fire(steps: list[tuple[int, float]], hold: int) -> None:
    bad = [(min(seconds, 15), 95.0) for seconds, _ in steps]
    looks = walk(bad, hold)
    fired = [at for at, _, outcome in looks if outcome.step is Step.FIRED]
    expected = [at for at, _, _ in looks if at - looks[0][0] >= hold]
    assert fired == expected[:1]


@given(samples, holds)
def test_a_firing_alert_resolves_only_at_the_clear_level(steps: list[tuple[int, float]], hold: int) -> None:
    firing = State(Phase.FIRING, 0, 0, 95.0)
    for _, value, outcome in walk(steps, hold, firing):
        if outcome.step is Step.RESOLVED:
            assert value <= 80
            return
        assert math.isnan(value) or value > 80


@given(samples, holds)
def test_values_that_were_not_read_change_nothing(steps: list[tuple[int, float]], hold: int) -> None:
    # The same samples with a NaN halfway before each of them.
    doubled = [(2 * seconds, value) for seconds, value in steps]
    mixed = [half for seconds, value in steps for half in ((seconds, math.nan), (seconds, value))]
    without = [(at, outcome) for at, value, outcome in walk(doubled, hold)]
    with_nan = walk(mixed, hold)
    assert [(at, outcome) for at, _, outcome in with_nan[1::2]] == without
    assert all(outcome.step is None for _, _, outcome in with_nan[::2])


@given(samples, samples, holds)
def test_a_restart_between_two_samples_changes_nothing(
    before: list[tuple[int, float]], after: list[tuple[int, float]], hold: int
) -> None:
    first = walk(before, hold)
    state, at = (stored(first[-1][2].state), first[-1][0]) if first else (None, 0)
    assert first + walk(after, hold, state, at) == walk(before + after, hold)


@given(samples, holds)
def test_each_step_fits_the_states_around_it(steps: list[tuple[int, float]], hold: int) -> None:
    phase: Phase | None = None
    for _, _, outcome in walk(steps, hold):
        after = outcome.state.phase if outcome.state else None
        match outcome.step:
            case None:
                assert after is phase
            case Step.STARTED:
                assert phase in (None, Phase.PENDING) and after is Phase.PENDING
            case Step.DROPPED:
                assert (phase, after) == (Phase.PENDING, None)
            case Step.FIRED:
                assert phase in (None, Phase.PENDING) and after is Phase.FIRING
            case Step.RESOLVED:
                assert (phase, after) == (Phase.FIRING, None)
        phase = after


def test_a_gap_does_not_count_as_holding() -> None:
    looks = walk([(1, 95.0), (14, 95.0), (16, 95.0), (15, 95.0)], hold=40 * SECOND)
    assert [outcome.step for _, _, outcome in looks] == [Step.STARTED, None, Step.STARTED, None]
    assert looks[-1][2].state == State(Phase.PENDING, 31 * SECOND, 46 * SECOND, 95.0)


def test_a_firing_alert_outlasts_a_gap() -> None:
    firing = State(Phase.FIRING, 0, 0, 95.0)
    outcome = evaluate(firing, Reading.HOLDS, 96.0, 9000 * SECOND, hold_us=0, gap_us=GAP)
    assert outcome == Outcome(State(Phase.FIRING, 0, 9000 * SECOND, 96.0), None)


def test_a_sample_that_comes_late_is_passed_over() -> None:
    firing = State(Phase.FIRING, 0, 100 * SECOND, 95.0)
    late = evaluate(firing, Reading.CLEAR, 1.0, 99 * SECOND, hold_us=0, gap_us=GAP)
    assert late == Outcome(firing, None)


def test_a_clock_that_was_set_back_does_not_stop_the_evaluation() -> None:
    firing = State(Phase.FIRING, 0, 3600 * SECOND, 95.0)
    outcome = evaluate(firing, Reading.CLEAR, 1.0, 5 * SECOND, hold_us=0, gap_us=GAP)
    assert outcome == Outcome(None, Step.RESOLVED)


@pytest.mark.parametrize(
    ("comparison", "threshold", "clear", "value", "reading"),
    [
        (">", 90, 80, 90.1, Reading.HOLDS),
        (">", 90, 80, 90, Reading.BETWEEN),
        (">", 90, 80, 80, Reading.CLEAR),
        (">", 90, 90, 90, Reading.CLEAR),
        (">=", 90, 90, 90, Reading.HOLDS),
        (">=", 90, 80, 80, Reading.BETWEEN),
        (">=", 90, 80, 79.9, Reading.CLEAR),
        ("<", 10, 20, 9.9, Reading.HOLDS),
        ("<", 10, 20, 10, Reading.BETWEEN),
        ("<", 10, 20, 20, Reading.CLEAR),
        ("<=", 10, 10, 10, Reading.HOLDS),
        ("<=", 10, 10, 10.1, Reading.CLEAR),
        ("<=", 10, 20, math.nan, Reading.UNREAD),
    ],
)
def test_a_value_is_compared_as_the_rule_says(
    comparison: str, threshold: float, clear: float, value: float, reading: Reading
) -> None:
    assert Limit("a.b", Comparison(comparison), threshold, clear).read(value) is reading


def test_globs_choose_machines_and_instances() -> None:
    limit = Limit("filesystem.percent", Comparison.ABOVE, 1, 1, instance="/home*")
    rule = Rule("x", Severity.INFO, 0, limit, machine="web?")
    assert rule.watches("web1", "filesystem.percent", "/home/me")
    assert not rule.watches("web12", "filesystem.percent", "/home/me")
    assert not rule.watches("web1", "filesystem.percent", "/var")
    assert not rule.watches("web1", "filesystem.used", "/home")
    assert not rule.watches("WEB1", "filesystem.percent", "/home")
    silence = Rule("x", Severity.INFO, 0, None, machine="web?")
    assert silence.watches("web1", "", "") and not silence.watches("db1", "", "")
    assert not silence.watches("web1", "filesystem.percent", "/home")
