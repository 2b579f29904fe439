"""Chooses the buckets that a range of history is drawn in. All times are microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass


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


def choose(from_us: int, to_us: int, points: int, interval_us: int) -> Buckets:
    """At most `points` buckets over from_us ≤ time < to_us, none narrower than the machine's interval.

    They start at multiples of the step, so that a range that moves on keeps its buckets. Only a single bucket cannot:
    it starts at from_us.
    """
    if points == 1:
        return Buckets(from_us, max(to_us - from_us, interval_us), 1)
    step_us = max(-((from_us - to_us) // points), interval_us, 1)
    aligned = _aligned(from_us, to_us, step_us)
    if aligned.count <= points:
        return aligned
    # The edges of the range fell inside buckets, and that made one more.
    return _aligned(from_us, to_us, -((from_us - to_us) // (points - 1)))


def _aligned(from_us: int, to_us: int, step_us: int) -> Buckets:
    first = from_us // step_us
    return Buckets(first * step_us, step_us, -(-to_us // step_us) - first)
