"""An allowance: so much a second, of which some can be saved up. Pure: `now` is monotonic, in seconds."""

from __future__ import annotations


class Allowance:
    """Begins with all that can be saved. What is spent may exceed what is left; then it is below zero for a while."""

    def __init__(self, per_second: float, most: float, now: float) -> None:
        self._per_second = per_second
        self._most = most
        self._left = most
        self._at = now

    def left(self, now: float) -> float:
        """How much there is."""
        self._left = min(self._left + max(now - self._at, 0.0) * self._per_second, self._most)
        self._at = now
        return self._left

    def spend(self, amount: float) -> None:
        """Take some of it."""
        self._left -= amount
