"""Says when the silence of a machine is a fact, and not our own or the hub's deafness.

Samples stay away for reasons that are not the machine's: Redis is away, no aggregator publishes, or all of that has
just come back and the collectors are still on their way. While that may be so, nothing is known.
"""

from __future__ import annotations

from collections.abc import Container

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
        # By name: since when a machine has been known and has not sent a sample.
        self._waiting_us: dict[str, int] = {}

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
        """Whether a machine is silent: its samples have ceased, or never came though it has said hello."""
        last_us = self._last_us_of(machine, now_us)
        if self._since_us is None or self.deaf(now_us):
            return Reading.UNREAD
        if machine.state(now_us) is State.UP:
            return Reading.CLEAR
        grace_us = max(machine.patience_seconds, RETURN_SECONDS) * 1e6
        if machine.frame is None:
            had_its_chance = now_us - max(last_us, self._since_us) > grace_us
        else:
            had_its_chance = last_us >= self._since_us or now_us - self._since_us > grace_us
        return Reading.HOLDS if had_its_chance else Reading.UNREAD

    def quiet_seconds(self, machine: Machine, now_us: int) -> float:
        """How long no sample has come; of a machine that never sent one, since it was first seen waiting."""
        return (now_us - self._last_us_of(machine, now_us)) / 1e6

    def forget(self, machine: str) -> None:
        """There is no such machine any more."""
        self._waiting_us.pop(machine, None)

    def forget_all_but(self, machines: Container[str]) -> None:
        """These are all the machines that there are."""
        self._waiting_us = {name: since for name, since in self._waiting_us.items() if name in machines}

    def _last_us_of(self, machine: Machine, now_us: int) -> int:
        if machine.frame is None:
            return self._waiting_us.setdefault(machine.hello.machine, now_us)
        self._waiting_us.pop(machine.hello.machine, None)
        return machine.frame.received_us
