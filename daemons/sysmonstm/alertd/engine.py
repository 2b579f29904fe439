"""Evaluates the rules on what the bus brings, and keeps the alerts that are pending or firing.

It waits for nothing and asks no clock: what it finds it returns as changes, which others log, store and send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sysmon.v1 import bus_pb2
from sysmonstm import bus
from sysmonstm.alertd import alerts
from sysmonstm.alertd.alerts import Alert, Change, Key
from sysmonstm.alertd.rules import Limit, Outcome, Phase, Reading, Rule, State, Step, evaluate
from sysmonstm.alertd.silence import Hearing

# The time for which nobody watched (alertd was restarted) counts as watched up to here, so that a restart does not
# cost a pending alert the time that it had held.
RESTART_US = 60_000_000
# Silence is looked at every second; a longer pause means that the process stood still.
TICK_GAP_US = 30_000_000


@dataclass(frozen=True, slots=True)
class Watch:
    """A value of a machine's frames that a rule is about."""

    position: int
    rule: Rule
    limit: Limit
    key: Key
    unit: str


class Engine:
    """The alerts of a fleet. Times are microseconds since 1970."""

    def __init__(self, rules: Sequence[Rule], known: Iterable[Alert], now_us: int) -> None:
        self.hearing = Hearing()
        # By machine: the layout of its last frame and what is watched in it.
        self._watches: dict[str, tuple[bytes, list[Watch]]] = {}
        self._alerts: dict[Key, Alert] = {}
        self._go_by(rules)
        self.restore(known, now_us)

    def _go_by(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._limits = [(rule, rule.limit) for rule in rules if rule.limit]
        self._silences = [rule for rule in rules if not rule.limit]
        self._watches.clear()

    @property
    def rules(self) -> dict[str, Rule]:
        """Those that hold, by name."""
        return self._rules

    @property
    def alerts(self) -> list[Alert]:
        """Those that are pending or firing."""
        return list(self._alerts.values())

    @property
    def firing(self) -> int:
        """How many alerts fire."""
        return sum(alert.state.phase is Phase.FIRING for alert in self._alerts.values())

    def restore(self, known: Iterable[Alert], now_us: int) -> None:
        """Take stored alerts on as their rules are today, and as if they had been watched during a short restart."""
        for alert in known:
            seen_us = max(alert.state.seen_us, min(now_us, alert.state.seen_us + RESTART_US))
            self._alerts[alert.key] = self._as_today(replace(alert, state=replace(alert.state, seen_us=seen_us)))

    def adopt(self, rules: Sequence[Rule], now_us: int) -> list[Change]:
        """Go by these rules from now on. What they no longer are about ends, and what a new limit shows to be well.

        What fires goes on firing, and what is pending has held since when it did, where its limit is as it was.
        """
        before = self._rules
        self._go_by(rules)
        self._alerts = {key: self._as_today(alert) for key, alert in self._alerts.items()}
        changes = self.retire(now_us)
        over = [alert for alert in self.alerts if _is_over(alert, before.get(alert.key.rule), self._rules)]
        return changes + [self._ended(alert, alerts.changed_sentence(alert), now_us) for alert in over]

    def _as_today(self, alert: Alert) -> Alert:
        rule = self._rules.get(alert.key.rule)
        if rule is None:
            return alert
        threshold = rule.limit.threshold if rule.limit else None
        return replace(alert, severity=rule.severity.value, threshold=threshold)

    def retire(self, now_us: int) -> list[Change]:
        """End the alerts that no rule is about any more."""
        return [
            self._ended(alert, alerts.retired_sentence(alert), now_us)
            for alert in self.alerts
            if not self._watched(alert)
        ]

    def _watched(self, alert: Alert) -> bool:
        rule = self._rules.get(alert.key.rule)
        return rule is not None and rule.watches(alert.key.machine, alert.metric, alert.key.instance)

    def take(self, fleet: bus.Fleet, update: object, now_us: int) -> list[Change]:
        """Take in what `bus.follow` yielded for the fleet."""
        match update:
            case bus.Changes(frames=frames, forgotten=forgotten):
                self.hearing.heard(now_us)
                changes = [change for machine in forgotten for change in self._forget(machine, now_us)]
                return changes + [change for frame in frames for change in self._frame(fleet, frame)]
            case bus.Snapshot():
                return self._snapshot(fleet, now_us)
            case bus.Away():
                self.hearing.lost()
        return []

    def _snapshot(self, fleet: bus.Fleet, now_us: int) -> list[Change]:
        # A machine that the bus does not name keeps its alerts: Redis may have lost it, which does not make it well.
        # That it was forgotten may have been said while nobody listened.
        changes = [change for machine in sorted(fleet.forgotten) for change in self._forget(machine, now_us)]
        self._watches = {machine: watch for machine, watch in self._watches.items() if machine in fleet.machines}
        self.hearing.forget_all_but(fleet.machines)
        frames = [one.frame for one in fleet.machines.values() if one.frame and one.state(now_us) is bus.State.UP]
        return changes + [change for frame in frames for change in self._frame(fleet, frame)]

    def _forget(self, machine: str, now_us: int) -> list[Change]:
        self._watches.pop(machine, None)
        self.hearing.forget(machine)
        own = [alert for alert in self.alerts if alert.key.machine == machine]
        return [self._ended(alert, alerts.forgotten_sentence(alert), now_us, Step.FORGOTTEN) for alert in own]

    def _frame(self, fleet: bus.Fleet, frame: bus_pb2.LiveFrame) -> list[Change]:
        machine = fleet.machines.get(frame.machine)
        if machine is None or frame.frame.layout_id not in fleet.layouts:
            return []
        layout_id, watches = self._watches.get(frame.machine, (b"", []))
        changes: list[Change] = []
        if layout_id != frame.frame.layout_id:
            watches = self._find_watches(fleet, frame)
            changes = self._vanished(frame, {watch.key for watch in watches})
        gap_us = round(machine.patience_seconds * 1e6)
        values = frame.frame.values
        for watch in watches:
            value = values[watch.position]
            reading = watch.limit.read(value)
            if reading is Reading.HOLDS or watch.key in self._alerts:
                changes += self._look(watch, reading, value, frame.received_us, gap_us)
        return changes

    def _find_watches(self, fleet: bus.Fleet, frame: bus_pb2.LiveFrame) -> list[Watch]:
        layout = fleet.layout(frame)
        watches = [
            Watch(position, rule, limit, Key(rule.name, frame.machine, one.instance), one.metric.unit)
            for rule, limit in self._limits
            for position in layout.positions.get(limit.metric, ())
            if rule.watches(frame.machine, limit.metric, (one := layout.series[position]).instance)
        ]
        self._watches[frame.machine] = (layout.id, watches)
        return watches

    def _vanished(self, frame: bus_pb2.LiveFrame, watched: set[Key]) -> list[Change]:
        """End the alerts about series that the machine no longer has."""
        return [
            self._ended(alert, alerts.vanished_sentence(alert), frame.received_us)
            for alert in self.alerts
            if alert.metric and alert.key.machine == frame.machine and alert.key not in watched
        ]

    def _look(self, watch: Watch, reading: Reading, value: float, at_us: int, gap_us: int) -> list[Change]:
        known = self._alerts.get(watch.key)
        outcome = evaluate(
            known.state if known else None, reading, value, at_us, hold_us=watch.rule.hold_us, gap_us=gap_us
        )
        if outcome.step is None:
            return self._carry_on(known, outcome)
        message = alerts.limit_sentence(watch.key, watch.rule, watch.limit, watch.unit, outcome.step, value)
        return [self._step(watch.key, watch.rule, outcome, outcome.step, value, at_us, message)]

    def tick(self, fleet: bus.Fleet, now_us: int) -> list[Change]:
        """Look at every machine's silence; once a second."""
        changes = []
        for rule in self._silences:
            for name, machine in fleet.machines.items():
                reading = self.hearing.read(machine, now_us)
                key = Key(rule.name, name, "")
                if (reading is Reading.HOLDS and rule.watches(name, "", "")) or key in self._alerts:
                    quiet = self.hearing.quiet_seconds(machine, now_us)
                    changes += self._look_at_silence(key, rule, reading, quiet, now_us)
        return changes

    def _look_at_silence(self, key: Key, rule: Rule, reading: Reading, quiet: float, now_us: int) -> list[Change]:
        known = self._alerts.get(key)
        outcome = evaluate(
            known.state if known else None, reading, quiet, now_us, hold_us=rule.hold_us, gap_us=TICK_GAP_US
        )
        if outcome.step is None:
            return self._carry_on(known, outcome)
        message = alerts.silence_sentence(key.machine, outcome.step, quiet)
        return [self._step(key, rule, outcome, outcome.step, quiet, now_us, message)]

    def _carry_on(self, known: Alert | None, outcome: Outcome) -> list[Change]:
        if known and outcome.state and outcome.state is not known.state:
            self._alerts[known.key] = replace(known, state=outcome.state)
        return []

    def _step(
        self, key: Key, rule: Rule, outcome: Outcome, step: Step, value: float, at_us: int, message: str
    ) -> Change:
        metric, threshold = (rule.limit.metric, rule.limit.threshold) if rule.limit else ("", None)
        if outcome.state is None:
            last = self._alerts.pop(key).state
            state = State(last.phase, last.since_us, at_us, value)
            return Change(Alert(key, metric, rule.severity.value, threshold, state, message), step, at_us)
        alert = Alert(key, metric, rule.severity.value, threshold, outcome.state, message)
        self._alerts[key] = alert
        return Change(alert, step, at_us)

    def _ended(self, alert: Alert, message: str, at_us: int, step: Step = Step.RESOLVED) -> Change:
        """End an alert; `step` is for one that fires."""
        del self._alerts[alert.key]
        ends = step if alert.state.phase is Phase.FIRING else Step.DROPPED
        return Change(replace(alert, message=message), ends, at_us)


def _is_over(alert: Alert, before: Rule | None, rules: Mapping[str, Rule]) -> bool:
    """Whether an alert ends because its rule compares with another value now.

    What fires does if its last value is clear of that. How long a pending one has held is not known then: it begins
    anew with the next sample.
    """
    limit, old = rules[alert.key.rule].limit, before.limit if before else None
    if limit is None or old is None or limit == old:
        return False
    if alert.state.phase is Phase.FIRING:
        return limit.read(alert.state.value) is Reading.CLEAR
    return (limit.comparison, limit.threshold) != (old.comparison, old.threshold)
