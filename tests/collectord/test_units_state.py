"""What a change of a unit means: a table of how it was, what was seen, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sysmonstm.collectord.happening import Happening, Severity
from sysmonstm.collectord.units.known import UNSAID, Allowance, Listed, Units
from sysmonstm.collectord.units.pending import MOST_STATES, Batch
from sysmonstm.collectord.units.state import (
    Details,
    Moment,
    Questions,
    Sight,
    State,
    Unit,
    change,
    questions,
    restarts_to_say,
)

NOW = Moment(1000.0, 1_700_000_000_000_000)
DEAD, STARTING, RUNNING = State(), State("activating", "start"), State("active", "running")
STOPPING, FAILED = State("deactivating", "stop-sigterm"), State("failed", "failed")
WAITING = State("activating", "auto-restart")
RELOADING = State("reloading", "reload")
PASSING = State("failed", "failed-before-auto-restart")
PASSING_DEAD = State("inactive", "dead-before-auto-restart")

WELL = Unit("a.service", state=RUNNING, restarts=0, lasting=True)
ILL = Unit("a.service", state=FAILED, failing=True, restarts=0, lasting=True)
OFF = Unit("a.service", restarts=0, lasting=True)


NOTHING_READ = Details()


def kinds(before: Unit, *states: State, details: Details = NOTHING_READ) -> list[str]:
    return [one.kind.removeprefix("unit.") for one in change(before, Sight(states, details), NOW)[1]]


@pytest.mark.parametrize(
    ("before", "states", "said"),
    [
        (WELL, [RUNNING], []),
        (WELL, [FAILED], ["failed"]),
        (WELL, [STOPPING, FAILED], ["failed"]),
        (ILL, [FAILED], []),
        (ILL, [STARTING, FAILED], ["failed"]),
        (ILL, [STARTING], []),
        (ILL, [STARTING, RUNNING], ["recovered"]),
        (ILL, [DEAD], ["recovered"]),
        (WELL, [FAILED, RUNNING], ["failed", "recovered"]),
        (WELL, [STOPPING, DEAD], ["stopped"]),
        (WELL, [STOPPING, DEAD, STARTING, RUNNING], ["stopped", "started"]),
        (OFF, [STARTING, RUNNING], ["started"]),
        (OFF, [STARTING, FAILED], ["failed"]),
        (WELL, [RELOADING, RUNNING], []),
        (replace(OFF, lasting=False), [RUNNING], []),
        (replace(OFF, lasting=None), [RUNNING], []),
        (replace(WELL, lasting=False), [DEAD], []),
        (WELL, [PASSING, WAITING, STARTING, RUNNING], []),
        (WELL, [PASSING_DEAD, WAITING, STARTING, RUNNING], []),
        (WELL, [WAITING, STARTING, FAILED], ["failed"]),
        (WELL, [WAITING, DEAD], ["stopped"]),
        (Unit("b.socket", state=RUNNING), [FAILED], ["failed"]),
        (Unit("b.mount"), [RUNNING], []),
    ],
)
def test_what_a_change_means(before: Unit, states: list[State], said: list[str]) -> None:
    assert kinds(before, *states) == said
    # However it was seen: all at once, or one state after the other.
    unit, one_by_one = before, []
    for state in states:
        unit, happenings = change(unit, Sight((state,)), NOW)
        one_by_one += [one.kind.removeprefix("unit.") for one in happenings]
    assert one_by_one == said
    assert unit.failing == (states[-1].failed or (before.failing and states[-1] == STARTING))


@pytest.mark.parametrize(
    ("before", "seen", "said"),
    [
        (WELL, [([FAILED, WAITING, DEAD, RUNNING], 1)], ["restarted"]),
        (WELL, [([DEAD, WAITING, DEAD, RUNNING], 1)], ["restarted"]),
        (WELL, [([FAILED, WAITING], 0), ([DEAD, RUNNING], 1)], ["restarted"]),
        (WELL, [([FAILED, WAITING], 0), ([WAITING, DEAD, STARTING], 1), ([RUNNING], 1)], ["restarted"]),
        (WELL, [([FAILED, WAITING, DEAD], 1), ([RUNNING], 1)], ["restarted"]),
        (WELL, [([FAILED, WAITING, DEAD, RUNNING, FAILED, WAITING, DEAD, FAILED], 1)], ["failed", "restarted"]),
        (WELL, [([FAILED, WAITING, DEAD, RUNNING], 1), ([FAILED, WAITING, DEAD, RUNNING], 2)], ["restarted"]),
        (WELL, [([FAILED, WAITING], 0), ([DEAD], 0)], ["stopped"]),
        (ILL, [([STARTING, FAILED, WAITING, DEAD, RUNNING], 1)], ["recovered", "restarted"]),
        (ILL, [([STARTING, FAILED, WAITING, DEAD, STARTING, FAILED], 1)], ["failed", "restarted"]),
    ],
)
def test_an_older_systemd_passes_through_failed_and_dead(
    before: Unit, seen: list[tuple[list[State], int]], said: list[str]
) -> None:
    unit, heard = before, []
    for states, restarts in seen:
        asked = questions(unit, tuple(states))
        assert asked.failure == (states[-1] == FAILED)
        unit, happenings = change(unit, Sight(tuple(states), Details(restarts=restarts)), NOW)
        heard += [one.kind.removeprefix("unit.") for one in happenings]
        assert unit.failing == (states[-1] == FAILED)
    assert heard == said


def test_why_it_failed_is_told() -> None:
    unit = replace(WELL, description="The\nserver")
    (killed,) = change(unit, Sight((FAILED,), Details("signal", 2, 9, restarts=4)), NOW)[1][:1]
    assert killed.message == "a.service has failed: signal, SIGKILL"
    assert killed.severity is Severity.WARNING
    assert killed.time_us == NOW.time_us
    assert killed.fields == {
        "unit": "a.service",
        "description": "The\nserver",
        "result": "signal",
        "signal": "SIGKILL",
        "restarts": "4",
    }
    (plain,) = change(Unit("m.mount", state=RUNNING), Sight((FAILED,)), NOW)[1]
    assert (plain.message, dict(plain.fields)) == ("m.mount has failed", {"unit": "m.mount"})
    (odd,) = change(WELL, Sight((FAILED,), Details("signal", 3, 999)), NOW)[1]
    assert odd.fields["signal"] == "signal 999"


def test_an_automatic_restart_is_no_start() -> None:
    assert kinds(WELL, DEAD, RUNNING, details=Details(restarts=1)) == ["restarted"]
    assert kinds(WELL, RUNNING, details=Details(restarts=1)) == ["restarted"]


def test_the_first_count_of_restarts_is_no_news() -> None:
    unknown = replace(WELL, restarts=None)
    unit, said = change(unknown, Sight((RUNNING,), Details(restarts=7)), NOW)
    assert said == []
    assert (unit.restarts, unit.restarts_unsaid) == (7, 0)


def counted(unit: Unit, restarts: int, monotonic: float) -> tuple[Unit, list[str]]:
    unit, said = change(unit, Sight((RUNNING,), Details(restarts=restarts)), Moment(monotonic, 0))
    return unit, [one.fields["count"] for one in said]


def test_restarts_are_said_at_once_and_then_together() -> None:
    unit, said = counted(WELL, 1, 100.0)
    assert said == ["1"]
    unit, said = counted(unit, 9, 130.0)
    assert said == []
    unit, later = restarts_to_say(unit, Moment(160.0, 0))
    assert later
    assert dict(later.fields) == {"unit": "a.service", "count": "8", "restarts": "9"}
    assert restarts_to_say(unit, Moment(999.0, 0))[1] is None


def test_whoever_starts_it_by_hand_sets_the_count_back_and_none_is_forgotten() -> None:
    unit = WELL
    for restarts, monotonic in ((1, 100.0), (5, 110.0), (0, 120.0), (2, 130.0)):
        unit, _ = counted(unit, restarts, monotonic)
    assert counted(unit, 2, 200.0)[1] == ["6"]


@pytest.mark.parametrize(
    ("before", "states", "asked"),
    [
        (WELL, [RUNNING], Questions()),
        (replace(WELL, restarts=None), [RUNNING], Questions(restarts=True)),
        (WELL, [FAILED], Questions(failure=True, restarts=True)),
        (ILL, [FAILED], Questions()),
        (replace(OFF, lasting=None), [STARTING], Questions(restarts=True)),
        (replace(OFF, lasting=None), [RUNNING], Questions(restarts=True, nature=True)),
        (Unit("b.mount", state=RUNNING), [FAILED], Questions(failure=True)),
        (Unit("b.mount"), [RUNNING], Questions()),
    ],
)
def test_only_what_is_needed_is_asked(before: Unit, states: list[State], asked: Questions) -> None:
    assert questions(before, tuple(states)) == asked


def known() -> tuple[Units, list[Happening]]:
    said: list[Happening] = []
    return Units(said.append), said


def test_what_is_too_much_is_counted_and_said_in_one_event() -> None:
    units, said = known()
    for number in range(150):
        units.see(f"u{number}.mount", Sight((FAILED,)), NOW)
    assert len(said) == 100
    units.say_what_is_due(Moment(NOW.monotonic + 59, 0))
    assert len(said) == 100
    units.say_what_is_due(Moment(NOW.monotonic + 61, 0))
    assert (said[-1].kind, said[-1].fields["count"], len(said)) == (UNSAID, "50", 101)
    units.say_what_is_due(Moment(NOW.monotonic + 200, 0))
    units.see("one.mount", Sight((FAILED,)), Moment(NOW.monotonic + 200, 0))
    assert (said[-1].kind, len(said)) == ("unit.failed", 102)
    assert units.snapshot().failed == 151


def test_starts_do_not_crowd_out_failures() -> None:
    units, said = known()
    for number in range(40):
        units.see(f"u{number}.service", Sight((RUNNING,), Details(restarts=0, lasting=True)), NOW)
    units.see("b.mount", Sight((FAILED,)), NOW)
    assert [one.kind for one in said] == ["unit.started"] * 30 + ["unit.failed"]


def test_the_number_of_units_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("sysmonstm.collectord.units.known.MOST_UNITS", 3)
    units, _ = known()
    units.know(Listed(f"u{number}.service", "", RUNNING) for number in range(5))
    units.see("more.service", Sight((FAILED,)), NOW)
    assert (units.snapshot().active, units.snapshot().failed) == (3, 0)
    assert len([message for message in caplog.messages if "more than 3 units" in message]) == 1
    units.remove("u0.service", NOW)
    units.see("more.service", Sight((FAILED,)), NOW)
    assert units.snapshot().failed == 1


def test_units_that_fail_once_and_are_gone_cost_few_layouts() -> None:
    units, said = known()
    shapes, shape = 0, None
    for second in range(0, 86_400, 5):
        now = Moment(float(second), 0)
        name, gone = f"job@{second}.service", f"job@{second - 20}.service"
        units.see(name, Sight((FAILED,), Details("exit-code", 1, 1, restarts=second % 3)), now)
        units.remove(gone, now)
        units.give_places(now)
        snapshot = units.snapshot()
        assert snapshot.failed == min(second // 5 + 1, 4)
        before, shape = shape, [[name for name, _ in names] for names in (snapshot.by_failure, snapshot.by_restarts)]
        shapes += shape != before
    assert 100 < shapes <= 160
    assert said


def test_restarts_are_said_of_units_that_have_no_series() -> None:
    units, said = known()
    for number in range(101):
        units.see(f"u{number}.service", Sight((RUNNING,), Details(restarts=1)), NOW)
    units.give_places(NOW)
    for restarts in (2, 5):
        units.see("u100.service", Sight((RUNNING,), Details(restarts=restarts)), NOW)
    assert len(units.snapshot().by_restarts) == 100
    assert "u100.service" not in dict(units.snapshot().by_restarts)
    units.say_what_is_due(Moment(NOW.monotonic + 61, 0))
    assert [one.fields["count"] for one in said] == ["1", "3"]


def test_a_result_that_was_read_after_the_next_start_is_not_told() -> None:
    (failed,) = change(WELL, Sight((FAILED,), Details("success", 1, 3)), NOW)[1]
    assert failed.message == "a.service has failed: exit code 3"
    assert "result" not in failed.fields
    assert change(ILL, Sight((DEAD,)), NOW)[1][0].message == "a.service is no longer failed"


def test_an_allowance_is_for_a_minute() -> None:
    allowance = Allowance(2, frozenset())
    assert [allowance.takes(now) for now in (100.0, 101.0, 102.0, 159.9, 160.0)] == [True, True, False, False, True]


def test_signals_are_folded() -> None:
    batch = Batch()
    for state in (FAILED, FAILED, RUNNING):
        batch.changed("a", state)
    assert batch.changes["a"].states == [FAILED, RUNNING]
    assert batch.changes["a"].failed
    for number in range(50):
        batch.changed("a", State("active", str(number)))
    assert len(batch.changes["a"].states) == MOST_STATES
    assert batch.changes["a"].states[-1].sub == "49"


def test_too_many_units_at_once_are_listed_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysmonstm.collectord.units.pending.MOST_UNITS", 3)
    batch = Batch()
    for number in range(5):
        batch.changed(f"u{number}", RUNNING)
    assert batch.everything
    assert batch.changes == {}
