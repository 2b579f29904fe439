"""Whether a WebSocket client lives: from what it takes and what it says. Times are monotonic, in seconds.

A ping waits behind all that is unsent, which a slow client may take long to read; and while it reads, it lives. So an
answer is waited for only once the ping has arrived. Whoever is dead is found out within a minute, in whatever state:
what has been sent or the ping is not taken, or it is and not answered.
"""

from __future__ import annotations

from enum import Enum, auto

LOOK_SECONDS = 5.0
# Who has said nothing for so long is sent a ping.
QUIET_SECONDS = 15.0
STALLED_SECONDS = 30.0
ANSWER_SECONDS = 30.0


class Verdict(Enum):
    """What to do with the client."""

    LIVES = auto()
    PING = auto()
    STALLED = auto()  # it has not taken a byte for STALLED_SECONDS, though there were some
    SILENT = auto()  # it got a ping and has said nothing for ANSWER_SECONDS


class Pulse:
    """One client's signs of life."""

    def __init__(self, now: float) -> None:
        self._heard_at = self._took_at = self._arrived_at = now
        self._taken = 0
        # What had been written before the ping that is unanswered.
        self._before_ping: int | None = None

    def heard(self, now: float) -> None:
        """It said something."""
        self._heard_at = now
        self._before_ping = None

    def look(self, now: float, written: int, taken: int) -> Verdict:
        """To be asked every LOOK_SECONDS: of so many bytes that were written so many have been taken."""
        if taken > self._taken or taken >= written:
            self._took_at = now
        self._taken = taken
        if now - self._took_at > STALLED_SECONDS:
            return Verdict.STALLED
        if self._before_ping is None:
            if now - self._heard_at < QUIET_SECONDS:
                return Verdict.LIVES
            self._before_ping, self._arrived_at = written, now
            return Verdict.PING
        if taken <= self._before_ping:
            self._arrived_at = now
        return Verdict.SILENT if now - self._arrived_at > ANSWER_SECONDS else Verdict.LIVES
