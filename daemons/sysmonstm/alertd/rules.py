"""What a rule is, and how an alert moves between inactive, pending and firing: plain functions of (state, input, now).

An alert belongs to one rule, one machine and one instance. It is inactive (no State at all), pending while the rule's
condition holds but has not held long enough, and firing from then on until a sample lies beyond the `clear` level.

Time is that of the samples, as the aggregator took them. A time without samples longer than the machine's `gap` does
not count as holding, since nobody saw it hold: a pending alert begins anew with the sample after it. (The machine is
silent by then, which has a rule of its own.) A firing alert outlasts every gap. NaN is "not read": it changes nothing.
"""

from __future__ import annotations

import fnmatch
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache


class Severity(StrEnum):
    """How urgent it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Comparison(StrEnum):
    """How a value must lie to the threshold for the condition to hold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def upward(self) -> bool:
        """Whether large values are the bad ones."""
        return self in (Comparison.ABOVE, Comparison.AT_LEAST)


_HOLDS: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
}


class Reading(Enum):
    """What one look says about a condition."""

    HOLDS = auto()
    BETWEEN = auto()  # it does not hold, and is not yet clear either
    CLEAR = auto()
    UNREAD = auto()  # nothing is known


@dataclass(frozen=True, slots=True)
class Limit:
    """What a metric's values are compared with. `clear` is on the quiet side of `threshold`, or equal to it."""

    metric: str
    comparison: Comparison
    threshold: float
    clear: float
    instance: str = "*"

    def read(self, value: float) -> Reading:
        """What a value says; in the metric's unit, NaN if it was not read."""
        if math.isnan(value):
            return Reading.UNREAD
        holds = _HOLDS[self.comparison]
        if holds(value, self.threshold):
            return Reading.HOLDS
        return Reading.BETWEEN if holds(value, self.clear) else Reading.CLEAR


class Origin(StrEnum):
    """Where a rule is from."""

    DEFAULT = "default"
    CHANGED = "changed"  # a default rule, some keys of which a file says anew
    FILE = "file"


@lru_cache(maxsize=100_000)
def matches(glob: str, name: str) -> bool:
    """Whether a name fits a glob: `*` (slashes too), `?` and `[abc]`, upper and lower case apart."""
    return fnmatch.fnmatchcase(name, glob)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `limit` is what it compares; without one it watches for machines that fall silent."""

    name: str
    severity: Severity
    hold_us: int
    limit: Limit | None
    machine: str = "*"
    # Says nothing of what it does: rules that do the same are equal.
    origin: Origin = field(default=Origin.FILE, compare=False)
    # What is said in place of the usual as it begins to fire, and as that ends; see rulefile.
    message: str = ""
    resolved: str = ""

    def watches(self, machine: str, metric: str, instance: str) -> bool:
        """Whether the rule is about this series; silence is the metric "" of the instance ""."""
        if not matches(self.machine, machine):
            return False
        if self.limit is None:
            return metric == ""
        return metric == self.limit.metric and matches(self.limit.instance, instance)


class Phase(StrEnum):
    """What an alert is while it is not inactive."""

    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class State:
    """An alert that is not inactive. Times are microseconds since 1970."""

    phase: Phase
    # When the condition began to hold.
    since_us: int
    # When it was last read, and what was read then.
    seen_us: int
    value: float


class Step(Enum):
    """What a look at an alert changed."""

    STARTED = auto()  # pending from now on, or anew
    DROPPED = auto()  # no longer pending
    FIRED = auto()
    RESOLVED = auto()
    FORGOTTEN = auto()  # it fired, and its machine is no more


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state after a look (None: inactive), and the step that led there, if it was one."""

    state: State | None
    step: Step | None


def evaluate(state: State | None, reading: Reading, value: float, at_us: int, *, hold_us: int, gap_us: int) -> Outcome:
    """One look at an alert, at the time `at_us` of its sample.

    `hold_us` is how long the condition must hold before it fires; `gap_us` how far apart two samples may lie and still
    say something about the time between them. A sample that comes late is passed over; one that is earlier by more
    than the gap means that the clock was set back, and counts.
    """
    apart_us = at_us - state.seen_us if state else 0
    if reading is Reading.UNREAD or (state and -gap_us <= apart_us <= 0):
        return Outcome(state, None)
    if state and state.phase is Phase.FIRING:
        if reading is Reading.CLEAR:
            return Outcome(None, Step.RESOLVED)
        return Outcome(State(Phase.FIRING, state.since_us, at_us, value), None)
    if reading is not Reading.HOLDS:
        return Outcome(None, Step.DROPPED if state else None)
    since_us = state.since_us if state and abs(apart_us) <= gap_us else at_us
    if at_us - since_us >= hold_us:
        return Outcome(State(Phase.FIRING, since_us, at_us, value), Step.FIRED)
    return Outcome(State(Phase.PENDING, since_us, at_us, value), Step.STARTED if since_us == at_us else None)
