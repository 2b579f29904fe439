"""Chooses the buckets that a range of history is drawn in. All times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Samples come an interval apart, more or less: of buckets as wide as that, one has two samples and the next has none.
# Of buckets twice as wide each has one or more.
FEWEST_INTERVALS = 2


@dataclass(frozen=True, slots=True)
class Tier:
    """How finely history is kept: a row every `step_us` (0: every sample), from `kept_from_us` on, perhaps -inf."""

    step_us: int
    kept_from_us: float


@dataclass(frozen=True, slots=True)
class Buckets:
    """`count` buckets of `step_us`; the first starts at `start_us`, at or before the range that they cover."""

    start_us: int
    step_us: int
    count: int

    def position(self, time_us: int) -> int:
        """Which bucket a time lies in."""
        return (time_us - self.start_us) // self.step_us

    def times(self) -> list[float]:
        """When each bucket starts, in seconds since 1970."""
        return [(self.start_us + number * self.step_us) / 1e6 for number in range(self.count)]


def choose(from_us: int, to_us: int, points: int, interval_us: int, tiers: Sequence[Tier]) -> Buckets:
    """At most `points` buckets over from_us ≤ time < to_us.

    None is narrower than two of the machine's intervals, nor than what is still kept from from_us on. They hold whole
    rows of the tier that they are made from, and start at multiples of the step, so that a range that moves on keeps
    its buckets. Only a single bucket cannot: it starts at from_us.
    """
    coarsest = max(tier.step_us for tier in tiers)
    kept = min((tier.step_us for tier in tiers if tier.kept_from_us <= from_us), default=coarsest)
    narrowest = max(FEWEST_INTERVALS * interval_us, kept, 1)
    if points == 1:
        return Buckets(from_us, max(to_us - from_us, narrowest), 1)
    aligned = _aligned(from_us, to_us, _whole(max(-((from_us - to_us) // points), narrowest), tiers))
    if aligned.count <= points:
        return aligned
    # The edges of the range fell inside buckets, and that made one more.
    return _aligned(from_us, to_us, _whole(max(-((from_us - to_us) // (points - 1)), narrowest), tiers))


def _whole(step_us: int, tiers: Sequence[Tier]) -> int:
    """The step, made wider so that it holds whole rows of the coarsest tier that fits in."""
    row_us = max((tier.step_us for tier in tiers if tier.step_us <= step_us), default=0)
    return -(-step_us // row_us) * row_us if row_us else step_us


def _aligned(from_us: int, to_us: int, step_us: int) -> Buckets:
    first = from_us // step_us
    return Buckets(first * step_us, step_us, -(-to_us // step_us) - first)
