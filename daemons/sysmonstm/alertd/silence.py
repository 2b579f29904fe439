"""Says when the silence of a machine is a fact, and not our own or the hub's deafness.

Samples stay away for reasons that are not the machine's: Redis is away, no aggregator publishes, or all of that has
just come back and the collectors are still on their way. While that may be so, nothing is known.
"""

from __future__ import annotations

from sysmonstm.alertd.rules import Reading
from sysmonstm.bus import HEARTBEAT_SECONDS, Machine, State

# Aggregators publish at least every heartbeat. Who misses three hears none of them.
DEAF_US = round(3 * HEARTBEAT_SECONDS * 1e6)
# A collector comes back at the latest so long after its aggregator has (its longest back-off).
RETURN_SECONDS = 60.0


class Hearing:
    """Since when the aggregators have been heard without a break. Times are microseconds since 1970."""

    def __init__(self) -> None:
        self._since_us: int | None = None
        self._last_us = 0

    def heard(self, now_us: int) -> None:
        """A publish has come."""
        if self.deaf(now_us):
            self._since_us = now_us
        self._last_us = now_us

    def lost(self) -> None:
        """Redis has gone away."""
        self._since_us = None

    def deaf(self, now_us: int) -> bool:
        """Whether no aggregator is heard; a clock that was set counts as a break."""
        return self._since_us is None or not -DEAF_US <= now_us - self._last_us <= DEAF_US

    def read(self, machine: Machine, now_us: int) -> Reading:
        """Whether a machine is silent."""
        if self._since_us is None or self.deaf(now_us) or machine.frame is None:
            return Reading.UNREAD
        if machine.state(now_us) is not State.SILENT:
            return Reading.CLEAR
        grace_us = max(3 * machine.hello.interval_seconds, RETURN_SECONDS) * 1e6
        had_its_chance = machine.frame.received_us >= self._since_us or now_us - self._since_us > grace_us
        return Reading.HOLDS if had_its_chance else Reading.UNREAD
