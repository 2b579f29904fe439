"""How fast the journal is read while errors flood it, so that counting them never costs more than a part of a CPU."""

from __future__ import annotations

LINES_A_SECOND = 500
# How many may come at once.
BURST = 1_000
# Further behind than this it is better to leave some out than to count what is long past.
BEHIND_SECONDS = 10.0


class Pace:
    """An allowance of lines that grows with time. Times are monotonic, in seconds."""

    def __init__(self, now: float) -> None:
        self._lines = float(BURST)
        self._at = now

    def took(self, lines: int, now: float) -> float:
        """So many lines were read; how many seconds to leave the next ones where they are."""
        self._lines = min(self._lines + (now - self._at) * LINES_A_SECOND, BURST) - lines
        self._at = now
        return max(0.0, -self._lines / LINES_A_SECOND)
