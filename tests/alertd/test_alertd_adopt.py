"""What becomes of alerts when the rules change while alertd runs."""

from __future__ import annotations

from sysmonstm.alertd.alerts import Change
from sysmonstm.alertd.rulefile import parse_rules
from sysmonstm.alertd.rules import Step
from tests.alertd.test_alertd_engine import RULES, SECOND, START, Hub, said


def adopt(hub: Hub, rules: str, second: int) -> list[Change]:
    return hub.engine.adopt(parse_rules(rules, "rules"), START + second * SECOND)


def firing_and_pending() -> Hub:
    """`/` fires since second 0, /home is pending since second 10."""
    hub = Hub()
    for second in (0, 5, 10):
        hub.sample(second, {"/": 95, "/home": 95 if second == 10 else 1})
    return hub


def test_the_same_rules_change_nothing() -> None:
    hub = firing_and_pending()
    before = hub.engine.alerts
    assert adopt(hub, RULES, 12) == []
    assert hub.engine.alerts == before
    assert said(hub.sample(20, {"/": 95, "/home": 95})) == [(Step.FIRED, "web1", "/home")]


def test_another_severity_or_time_is_that_of_the_alerts_from_now_on_and_since_stays() -> None:
    hub = firing_and_pending()
    since = [alert.state.since_us for alert in hub.engine.alerts]
    assert adopt(hub, RULES.replace("for = 10", 'for = 7\nseverity = "critical"'), 12) == []
    assert [(alert.severity, alert.state.since_us) for alert in hub.engine.alerts] == [
        ("critical", since[0]),
        ("critical", since[1]),
    ]
    (fired,) = hub.sample(17, {"/": 95, "/home": 95})
    assert (fired.step, fired.alert.severity) == (Step.FIRED, "critical")


def test_what_no_rule_is_about_any_more_ends_with_the_reason() -> None:
    hub = firing_and_pending()
    firing, pending = adopt(hub, "defaults = false", 12)
    assert (firing.step, pending.step) == (Step.RESOLVED, Step.DROPPED)
    assert firing.alert.message == "web1: filesystem.percent of / is no longer watched by a rule full"
    assert hub.engine.alerts == []
    assert hub.sample(15, {"/": 99}) == []


def test_what_fires_resolves_if_its_last_value_is_clear_of_the_new_threshold() -> None:
    hub = firing_and_pending()
    assert said(adopt(hub, RULES.replace("90", "97").replace("80", "96"), 12)) == [
        (Step.RESOLVED, "web1", "/"),
        (Step.DROPPED, "web1", "/home"),
    ]
    assert hub.sample(15, {"/": 96.5, "/home": 96.5}) == []


def test_what_fires_goes_on_while_its_last_value_lies_between_or_beyond_the_new_ones() -> None:
    hub = firing_and_pending()
    assert said(adopt(hub, RULES.replace("90", "97"), 12)) == [(Step.DROPPED, "web1", "/home")]
    (alert,) = hub.engine.alerts
    assert (alert.threshold, alert.state.since_us) == (97, START)
    assert said(hub.sample(15, {"/": 79, "/home": 1})) == [(Step.RESOLVED, "web1", "/")]


def test_how_long_a_pending_one_held_beyond_another_threshold_is_not_known_so_it_begins_anew() -> None:
    hub = firing_and_pending()
    (dropped,) = adopt(hub, RULES.replace("90", "85"), 12)
    assert (dropped.step, dropped.alert.key.instance) == (Step.DROPPED, "/home")
    assert said(hub.sample(15, {"/": 95, "/home": 95})) == [(Step.STARTED, "web1", "/home")]
    assert hub.sample(20, {"/": 95, "/home": 95}) == []
    assert said(hub.sample(25, {"/": 95, "/home": 95})) == [(Step.FIRED, "web1", "/home")]


def test_a_new_rule_watches_machines_that_are_there_already() -> None:
    hub = Hub("defaults = false")
    hub.sample(0, {"/": 95})
    assert adopt(hub, RULES.replace("for = 10", "for = 0"), 1) == []
    assert said(hub.sample(5, {"/": 95})) == [(Step.FIRED, "web1", "/")]


def test_silence_goes_on_through_a_change() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hub.sample(5, {"/": 1})
    started, fired = hub.quiet(6, 60)
    assert adopt(hub, RULES.replace("for = 30", "for = 60"), 60) == []
    assert hub.quiet(61, 70) == []
    assert [alert.state.since_us for alert in hub.engine.alerts] == [started.at_us]
    assert fired.step is Step.FIRED
