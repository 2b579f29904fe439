"""What is said of an alert: as a row, as a change to write down, and in words."""

from __future__ import annotations

import json
import math
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sysmonstm.alertd.rules import Comparison, Limit, Rule, State, Step
from sysmonstm.metric import Unit

# Any UUID, the same for every alertd: ids of transitions are made from it.
_IDS = uuid.UUID("6a0cf5a4-6f2e-4a57-9d1c-5b0f1f1d7c11")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_SIDES = {
    Comparison.ABOVE: "above",
    Comparison.AT_LEAST: "at or above",
    Comparison.BELOW: "below",
    Comparison.AT_MOST: "at or below",
}


class Key(NamedTuple):
    """Which alert. The instance is empty for a metric with a single series, and for silence."""

    rule: str
    machine: str
    instance: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is pending or firing. About silence, `metric` is empty and `threshold` None."""

    key: Key
    metric: str
    severity: str
    threshold: float | None
    state: State
    # The sentence of its last step.
    message: str


@dataclass(frozen=True, slots=True)
class Change:
    """A step that is to be written down. `alert` is as the step left it; if it ended it, as it last was."""

    alert: Alert
    step: Step
    at_us: int

    @property
    def news(self) -> str | None:
        """ "firing" or "resolved" where people are told; None for the steps of a pending alert.

        Whoever was told that it fires is told of its end even if its machine is forgotten: it must not stay open there.
        """
        return {Step.FIRED: "firing", Step.RESOLVED: "resolved", Step.FORGOTTEN: "resolved"}.get(self.step)

    @property
    def event_severity(self) -> str:
        """How much its event matters; that an alert is over is good to know, and no more."""
        return self.alert.severity if self.news == "firing" else "info"

    @property
    def id(self) -> uuid.UUID:
        """The same wherever and however often the same step is found: what makes it count once."""
        # A machine is forgotten without a time of its own: each alertd hears of it at another.
        at_us = self.alert.state.since_us if self.step is Step.FORGOTTEN else self.at_us
        return uuid.uuid5(_IDS, json.dumps([*self.alert.key, self.step.name, at_us]))

    def facts(self) -> dict[str, object]:
        """What programs want to know of it, as JSON values; times are seconds since 1970."""
        alert = self.alert
        return {
            "state": self.news,
            "rule": alert.key.rule,
            "severity": alert.severity,
            "machine": alert.key.machine,
            "metric": alert.metric,
            "instance": alert.key.instance,
            "value": seven_digits(alert.state.value),
            "threshold": alert.threshold,
            "since": alert.state.since_us / 1e6,
        }

    def notification(self) -> dict[str, object]:
        """The JSON object that is posted."""
        return {"version": 1, "id": str(self.id), **self.facts(), "message": self.alert.message}


def seven_digits(value: float) -> float:
    """A value without the digits that a float32 never had: 91.3, not 91.30000305."""
    return float(f"{value:.7g}")


def moment(time_us: int) -> datetime:
    """Microseconds since 1970 as a time in UTC, exactly."""
    return _EPOCH + time_us * _MICROSECOND


def microseconds(time: datetime) -> int:
    """A time with a zone as microseconds since 1970, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def duration(seconds: float) -> str:
    """`0.5 s`, `45 s`, `10 min`, `1 h 30 min`, `3 d 4 h`: the two largest units."""
    if abs(seconds) < 1 or not math.isfinite(seconds):
        return f"{_digits(seconds, 3)} s"
    sign, whole = "-" * (seconds < 0), round(abs(seconds))
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s"))
    parts = [f"{number:,} {unit}" for number, unit in units if number]
    return sign + " ".join(parts[:2])


def quantity(value: float, unit: str) -> str:
    """A value in its unit, as people write it: `91.3%`, `1.5 GiB`, `1,234`, `2.5M/s`, `1 h 30 min`."""
    if unit == Unit.PERCENT:
        return f"{_digits(value)}%"
    if unit == Unit.SECONDS:
        return duration(value)
    if unit in (Unit.BYTES, Unit.BYTES_PER_SECOND):
        return f"{_scaled(value, 1024, (' ', ' Ki', ' Mi', ' Gi', ' Ti', ' Pi'))}B{unit.removeprefix(Unit.BYTES)}"
    if unit not in (Unit.COUNT, Unit.COUNT_PER_SECOND):
        return f"{_digits(value)} {unit}"
    # Up to a million every one can be told.
    number = _digits(value) if abs(value) < 1e6 else _scaled(value / 1e6, 1000, ("M", "G", "T"))
    return number + unit.removeprefix(Unit.COUNT)


def _scaled(value: float, step: int, prefixes: tuple[str, ...]) -> str:
    """A value with the largest prefix that leaves it at or above 1."""
    power = 0
    while abs(value) >= step and power < len(prefixes) - 1:
        value, power = value / step, power + 1
    return _digits(value) + prefixes[power]


def _digits(value: float, significant: int = 4) -> str:
    """A number of about so many significant digits, and all of those before the point: never as a power of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:,.0f}"
    places = min(max(significant - 1 - math.floor(math.log10(abs(value))), 0), 9)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def _series(key: Key, metric: str) -> str:
    return f"{key.machine}: {metric} of {key.instance}" if key.instance else f"{key.machine}: {metric}"


def _filled(own: str, key: Key, value: str) -> str:
    """The sentence of a rule with what it is about. What is put in is not looked at again."""
    words = {"{machine}": key.machine, "{instance}": key.instance, "{value}": value}
    return re.sub(r"\{[a-z]+\}", lambda found: words.get(found[0], found[0]), own)


def limit_sentence(key: Key, rule: Rule, limit: Limit, unit: str, step: Step, value: float) -> str:
    """What a step of a threshold rule means: in the rule's own words, where it has some."""
    if own := rule.resolved if step in (Step.RESOLVED, Step.DROPPED) else rule.message:
        return _filled(own, key, quantity(value, unit))
    subject = _series(key, limit.metric)
    if step in (Step.RESOLVED, Step.DROPPED):
        return f"{subject} is back at {quantity(value, unit)}"
    held = f" for {duration(rule.hold_us / 1e6)}" if step is Step.FIRED and rule.hold_us else ""
    return f"{subject} is {quantity(value, unit)}, {_SIDES[limit.comparison]} {quantity(limit.threshold, unit)}{held}"


def silence_sentence(machine: str, step: Step, quiet_seconds: float) -> str:
    """What a step of a rule about silence means."""
    if step in (Step.RESOLVED, Step.DROPPED):
        return f"{machine} sends samples again"
    return f"{machine} is silent: no sample for {duration(quiet_seconds)}"


def vanished_sentence(alert: Alert) -> str:
    """An alert ends because its series does."""
    return f"{_series(alert.key, alert.metric)} is no longer reported"


def retired_sentence(alert: Alert) -> str:
    """An alert ends because its rule does."""
    subject = _series(alert.key, alert.metric or "silence")
    return f"{subject} is no longer watched by a rule {alert.key.rule}"


def changed_sentence(alert: Alert) -> str:
    """An alert ends because its rule compares with another value now."""
    return f"{_series(alert.key, alert.metric)} is well by the rule {alert.key.rule} as it is now"


def forgotten_sentence(alert: Alert) -> str:
    """An alert ends because its machine was forgotten."""
    return f"{_series(alert.key, alert.metric or 'silence')} is no longer watched: {alert.key.machine} was forgotten"
