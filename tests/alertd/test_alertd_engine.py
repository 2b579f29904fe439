"""The engine on a fleet in memory: which changes it finds, and which it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import bus, wire
from sysmonstm.alertd.alerts import Alert, Change
from sysmonstm.alertd.engine import Engine
from sysmonstm.alertd.rulefile import parse_rules
from sysmonstm.alertd.rules import Step
from sysmonstm.metric import Kind, Layout, Metric, Series

SECOND = 1_000_000
START = 1_790_000_000 * SECOND
RULES = """
defaults = false
[rules.full]
metric = "filesystem.percent"
threshold = 90
clear = 80
for = 10
[rules.silent]
silent = true
for = 30
"""
FILESYSTEM = Metric("filesystem.percent", "percent", Kind.GAUGE, "How full it is.", "mount")


class Hub:
    """What an aggregator would say of some machines, told to an engine at given seconds."""

    def __init__(self, rules: str = RULES, known: list[Alert] | None = None, second: int = 0) -> None:
        self.fleet = bus.Fleet()
        self.engine = Engine(parse_rules(rules, "rules"), known or [], START + second * SECOND)
        self._seq = 0

    def sample(self, second: int, values: Mapping[str, float], machine: str = "web1") -> list[Change]:
        """A machine's filesystems, by mount."""
        layout = Layout(tuple(Series(FILESYSTEM, mount) for mount in values))
        self._seq += 1
        now = START + second * SECOND
        frame = ingest_pb2.Frame(seq=self._seq, time_us=now, layout_id=layout.id, values=values.values())
        live = bus_pb2.LiveFrame(machine=machine, stream=b"s" * 16, received_us=now, frame=frame)
        hello = ingest_pb2.Hello(machine=machine, stream=b"s" * 16, interval_seconds=5)
        batch = bus_pb2.LiveBatch(
            frames=[live.SerializeToString()],
            hellos=[hello.SerializeToString()],
            layouts=[wire.layout_to_wire(layout).SerializeToString()],
        )
        return self.engine.take(self.fleet, self.fleet.apply(batch), now)

    def quiet(self, first: int, last: int) -> list[Change]:
        """Seconds in which the aggregator lives and no sample comes."""
        return [change for second in range(first, last + 1) for change in self._quiet_second(START + second * SECOND)]

    def _quiet_second(self, now: int) -> list[Change]:
        self.engine.take(self.fleet, bus.Changes([], []), now)
        return self.engine.tick(self.fleet, now)

    def dead(self, first: int, last: int) -> list[Change]:
        """Seconds in which nobody publishes."""
        return [
            change
            for second in range(first, last + 1)
            for change in self.engine.tick(self.fleet, START + second * SECOND)
        ]


def said(changes: list[Change]) -> list[tuple[Step, str, str]]:
    return [(change.step, change.alert.key.machine, change.alert.key.instance) for change in changes]


def at(change: Change) -> float:
    return (change.at_us - START) / SECOND


def test_each_instance_has_an_alert_of_its_own() -> None:
    hub = Hub()
    hub.sample(0, {"/": 95, "/home": 50})
    hub.sample(5, {"/": 95, "/home": 95})
    (first,) = hub.sample(10, {"/": 95, "/home": 95})
    (second,) = hub.sample(15, {"/": 95, "/home": 95})
    assert said([first, second]) == [(Step.FIRED, "web1", "/"), (Step.FIRED, "web1", "/home")]
    assert first.alert.message == "web1: filesystem.percent of / is 95%, above 90% for 10 s"
    (resolved,) = hub.sample(20, {"/": 79.5, "/home": 85})
    assert said([resolved]) == [(Step.RESOLVED, "web1", "/")]
    assert resolved.alert.message == "web1: filesystem.percent of / is back at 79.5%"


def test_a_series_that_vanishes_resolves_its_alert_with_the_reason() -> None:
    hub = Hub()
    for second in (0, 5, 10):
        hub.sample(second, {"/": 95, "/mnt": 95})
    (resolved,) = hub.sample(15, {"/": 95})
    assert said([resolved]) == [(Step.RESOLVED, "web1", "/mnt")]
    assert resolved.alert.message == "web1: filesystem.percent of /mnt is no longer reported"
    assert [alert.key.instance for alert in hub.engine.alerts] == ["/"]


def test_values_that_were_not_read_neither_fire_nor_resolve() -> None:
    hub = Hub()
    hub.sample(0, {"/": 95})
    for second in (5, 10, 15):
        assert hub.sample(second, {"/": math.nan}) == []
    assert said(hub.sample(15, {"/": 95})) == [(Step.FIRED, "web1", "/")]
    for second in (20, 25, 60):
        assert hub.sample(second, {"/": math.nan}) == []


def test_the_same_samples_read_twice_change_nothing() -> None:
    hub = Hub()
    for second in (0, 5, 10):
        hub.sample(second, {"/": 95})
    assert hub.engine.take(hub.fleet, bus.Snapshot(), START + 11 * SECOND) == []


def test_a_snapshot_shows_samples_that_were_missed() -> None:
    hub = Hub()
    for second in (0, 5):
        hub.sample(second, {"/": 95})
    other = Hub()
    other.sample(10, {"/": 95})
    hub.fleet = other.fleet
    assert said(hub.engine.take(hub.fleet, bus.Snapshot(), START + 11 * SECOND)) == [(Step.FIRED, "web1", "/")]


def test_old_samples_in_a_snapshot_are_not_news() -> None:
    hub = Hub()
    hub.sample(0, {"/": 50})
    other = Hub()
    other.sample(10, {"/": 95})
    assert hub.engine.take(other.fleet, bus.Snapshot(), START + 500 * SECOND) == []


def test_a_machine_that_falls_silent_fires_after_the_rules_time_and_resolves_with_its_next_sample() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hub.sample(5, {"/": 1})
    # Silent after three intervals of 5 s, so from second 21 on.
    started, fired = hub.quiet(6, 60)
    assert (said([started, fired]), at(fired)) == (
        [(Step.STARTED, "web1", ""), (Step.FIRED, "web1", "")],
        51.0,
    )
    assert fired.alert.message == "web1 is silent: no sample for 46 s"
    assert hub.sample(61, {"/": 1}) == []
    (resolved,) = hub.quiet(61, 61)
    assert (resolved.step, resolved.alert.message) == (Step.RESOLVED, "web1 sends samples again")


def test_a_machine_whose_samples_never_come_is_silent_once_it_had_its_chance() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hello = ingest_pb2.Hello(machine="web1", stream=b"s" * 16, interval_seconds=5)
    hub.engine.take(hub.fleet, hub.fleet.apply(bus_pb2.LiveBatch(hellos=[hello.SerializeToString()])), START)
    started, fired = hub.quiet(5, 120)
    assert [(change.step, at(change)) for change in (started, fired)] == [(Step.STARTED, 66.0), (Step.FIRED, 96.0)]
    assert fired.alert.message == "web1 is silent: no sample for 1 min 31 s"
    hub.sample(121, {"/": 1})
    assert said(hub.quiet(121, 121)) == [(Step.RESOLVED, "web1", "")]


def test_a_machine_that_waits_has_its_chance_anew_after_the_hub_was_away() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hello = ingest_pb2.Hello(machine="web1", stream=b"s" * 16, interval_seconds=5)
    hub.engine.take(hub.fleet, hub.fleet.apply(bus_pb2.LiveBatch(hellos=[hello.SerializeToString()])), START)
    hub.dead(5, 999)
    assert hub.quiet(1000, 1060) == []


def test_nobody_is_silent_while_no_aggregator_is_heard() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hub.sample(5, {"/": 1})
    assert hub.dead(6, 1000) == []


def test_nobody_is_silent_while_redis_is_away() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hub.sample(5, {"/": 1})
    hub.engine.take(hub.fleet, bus.Away("gone"), START + 6 * SECOND)
    assert hub.dead(6, 1000) == []


def test_machines_have_time_to_come_back_after_the_hub_was_away() -> None:
    hub = Hub()
    hub.quiet(0, 4)
    hub.sample(5, {"/": 1})
    hub.sample(5, {"/": 1}, machine="web2")
    hub.dead(6, 999)
    assert hub.quiet(1000, 1050) == []
    hub.sample(1051, {"/": 1})
    changes = []
    for second in range(1051, 1110):
        changes += hub.quiet(second, second)
        if second % 5 == 0:
            hub.sample(second, {"/": 1})
    assert said(changes) == [(Step.STARTED, "web2", ""), (Step.FIRED, "web2", "")]
    assert [at(change) for change in changes] == [1061.0, 1091.0]


def test_a_fresh_engine_accuses_nobody_before_they_could_be_heard() -> None:
    old = Hub()
    old.sample(0, {"/": 1})
    hub = Hub(second=500)
    hub.fleet = old.fleet
    hub.engine.take(hub.fleet, bus.Snapshot(), START + 500 * SECOND)
    assert hub.quiet(500, 560) == []
    started, fired = hub.quiet(561, 600)
    assert (at(started), at(fired)) == (561.0, 591.0)


def test_a_restart_keeps_what_fires_and_what_nearly_fires() -> None:
    first = Hub()
    for second in (0, 5, 10):
        first.sample(second, {"/": 95, "/home": 95 if second == 10 else 1})
    second_hub = Hub(known=first.engine.alerts, second=40)
    assert second_hub.engine.retire(START + 40 * SECOND) == []
    # /home has held since second 10, and a restart of up to a minute counts as watched.
    assert said(second_hub.sample(45, {"/": 95, "/home": 95})) == [(Step.FIRED, "web1", "/home")]
    assert len(second_hub.sample(50, {"/": 1, "/home": 1})) == 2


def test_a_long_absence_does_not_count_as_watched() -> None:
    first = Hub()
    first.sample(0, {"/": 95})
    again = Hub(known=first.engine.alerts, second=4000)
    (started,) = again.sample(4000, {"/": 95})
    assert started.step is Step.STARTED


def test_alerts_whose_rule_is_gone_end_at_the_start_with_the_reason() -> None:
    first = Hub()
    for second in (0, 5, 10):
        first.sample(second, {"/": 95, "/home": 95 if second == 10 else 1})
    again = Hub("defaults = false", first.engine.alerts, second=20)
    firing, pending = again.engine.retire(START + 20 * SECOND)
    assert (firing.step, pending.step) == (Step.RESOLVED, Step.DROPPED)
    assert firing.alert.message == "web1: filesystem.percent of / is no longer watched by a rule full"
    assert again.engine.alerts == []
    narrowed = Hub(RULES.replace("threshold", 'instance = "/home"\nthreshold'), first.engine.alerts, second=20)
    assert said(narrowed.engine.retire(START)) == [(Step.RESOLVED, "web1", "/")]


def test_a_stored_alert_is_shown_as_its_rule_is_today() -> None:
    first = Hub()
    for second in (0, 5, 10):
        first.sample(second, {"/": 95})
    again = Hub(RULES.replace("threshold = 90", 'threshold = 85\nseverity = "critical"'), first.engine.alerts, 20)
    (alert,) = again.engine.alerts
    assert (alert.severity, alert.threshold) == ("critical", 85)


def test_a_machine_that_the_bus_forgot_keeps_its_alerts() -> None:
    hub = Hub()
    for second in (0, 5, 10):
        hub.sample(second, {"/": 95})
    assert hub.engine.take(bus.Fleet(), bus.Snapshot(), START + 11 * SECOND) == []
    assert hub.engine.firing == 1


def test_the_same_step_has_the_same_id_and_another_has_another() -> None:
    def steps() -> list[Change]:
        hub = Hub()
        samples = [(0, 95.0), (5, 95.0), (10, 95.0), (15, 1.0), (20, 95.0), (30, 95.0)]
        return [change for second, value in samples for change in hub.sample(second, {"/": value})]

    once, twice = ([change.id for change in steps()] for _ in range(2))
    assert once == twice and len(set(once)) == len(once) == 5
