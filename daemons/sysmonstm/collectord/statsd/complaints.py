"""Which refusals are worth a log line: the first of each kind, and of each name that is taken. Pure.

Whoever may send may be refused a thousand times a second; all are counted, and few are told of.
"""

from __future__ import annotations

from sysmonstm.collectord.statsd.words import Reason

# What was told of is told of again after so long.
SECONDS = 3600.0
# So many lines in that time, whatever names programs think of.
MOST = 50
_BY_NAME = frozenset({Reason.NAME, Reason.TAKEN})


class Complaints:
    """Remembers what was told of; `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._told: set[tuple[Reason, bytes]] = set()
        self._until = 0.0

    def worth(self, reason: Reason, line: bytes, now: float) -> bool:
        """Whether to tell of this refused line."""
        if now >= self._until:
            self._told.clear()
            self._until = now + SECONDS
        about = (reason, line.partition(b":")[0] if reason in _BY_NAME else b"")
        if about in self._told or len(self._told) >= MOST:
            return False
        self._told.add(about)
        return True
