"""What waits for a database that is away."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.alertd.alerts import Alert, Change, Key
from sysmonstm.alertd.backlog import KEPT, Backlog
from sysmonstm.alertd.rules import Phase, State, Step

NEXT = {
    None: [Step.STARTED, Step.FIRED],
    Step.STARTED: [Step.STARTED, Step.DROPPED, Step.FIRED],
    Step.DROPPED: [Step.STARTED, Step.FIRED],
    Step.FIRED: [Step.RESOLVED],
    Step.RESOLVED: [Step.STARTED, Step.FIRED],
}


def change(machine: str, step: Step, at: int) -> Change:
    state = State(Phase.FIRING, at, at, 1.0)
    return Change(Alert(Key("rule", machine, ""), "a.b", "info", 1.0, state, "so it is"), step, at)


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Steps of some alerts, each in an order that the state machine can take."""
    last: dict[str, Step | None] = {"a": None, "b": None}
    made = []
    for at in range(draw(st.integers(0, 40))):
        machine = draw(st.sampled_from(["a", "b"]))
        step = draw(st.sampled_from(NEXT[last[machine]]))
        last[machine] = step
        made.append(change(machine, step, at))
    return made


@given(histories())
def test_it_stays_small_and_ends_each_alert_as_it_ended(history: list[Change]) -> None:
    backlog = Backlog()
    backlog.put(history)
    waiting = backlog.first(1000)
    assert waiting == sorted(waiting, key=lambda one: one.at_us)
    for machine in ("a", "b"):
        happened = [one for one in history if one.alert.key.machine == machine]
        mine = [one for one in waiting if one.alert.key.machine == machine]
        news = [one.news for one in mine if one.news]
        assert mine[-1:] == happened[-1:]
        assert len(news) <= KEPT
        assert all(first != second for first, second in pairwise(news))
    lost = sum(one.news is not None for one in history) - sum(one.news is not None for one in waiting)
    assert lost == backlog.merged


def test_what_came_meanwhile_stays_when_the_rest_is_done() -> None:
    backlog = Backlog()
    first, second, later = change("a", Step.FIRED, 1), change("b", Step.FIRED, 2), change("a", Step.RESOLVED, 3)
    backlog.put([first, second])
    assert backlog.first(1) == [first]
    backlog.put([later])
    backlog.done([first])
    assert backlog.first(9) == [second, later]
    backlog.done([second, later])
    assert not backlog


def test_one_alerts_changes_keep_their_order_when_the_clock_is_set_back() -> None:
    backlog = Backlog()
    fired, resolved = change("a", Step.FIRED, 100), change("a", Step.RESOLVED, 50)
    backlog.put([fired, resolved])
    assert backlog.first(9) == [fired, resolved]
