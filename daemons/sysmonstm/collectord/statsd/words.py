"""The words for what local programs send: a line, the types of metrics, and why something is refused."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple

# Of a float32's range, which is what a value becomes: sums of so many of them still fit.
LARGEST = 1e15


class Type(Enum):
    """What a program says a value is."""

    GAUGE = "gauge"  # a level, or a change of one
    COUNTER = "counter"  # so many more
    TIMER = "timer"  # how long one of something took, in milliseconds
    DISTRIBUTION = "distribution"  # how much one of something was, in any unit


class Reason(StrEnum):
    """Why something is refused; each is counted apart."""

    SYNTAX = "syntax"  # not a line of StatsD, or of a type that is not taken
    LENGTH = "length"  # longer than is taken
    VALUE = "value"  # no number, not finite, too large, or an impossible sample rate
    NAME = "name"  # no name or tags can be made of it
    TAKEN = "taken"  # the name is the collector's own, or a metric of another type has it
    FULL = "full"  # there are as many series as may be


class RefusedError(ValueError):
    """A line is refused. The sentence says why, and repeats nothing that was sent."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Key(NamedTuple):
    """What a line says the series is, as it was sent."""

    name: bytes
    type: bytes
    tags: bytes


class Line(NamedTuple):
    """One line: its series, its values, each at most LARGEST, and the share of events that were sent at all.

    `relative` says that the first value has a sign, which makes it a change of a gauge.
    """

    key: Key
    values: tuple[float, ...]
    rate: float
    relative: bool
