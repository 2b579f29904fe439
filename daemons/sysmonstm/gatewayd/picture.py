"""The fleet as the bus has it, or as it was when Redis went away."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sysmonstm.bus import Fleet, State


@dataclass(slots=True)
class Picture:
    """The fleet, and whether it is as Redis has it now.

    `away_us`, in microseconds since 1970, is when Redis went away, None while it is here. While it is away nobody knows
    who is silent: states stay as they were then. `away_reason` is a sentence for people, and so is `unevaluated`: why
    no alert is evaluated, "" while they are.
    """

    fleet: Fleet = field(default_factory=Fleet)
    away_us: int | None = 0
    away_reason: str = "Redis has not answered yet"
    unevaluated: str = ""

    @property
    def live(self) -> bool:
        """Whether the fleet is as Redis has it now."""
        return self.away_us is None

    def state(self, name: str) -> State:
        """A machine's state; while Redis is away, as it was last known."""
        now_us = time.time_ns() // 1000 if self.away_us is None else self.away_us
        return self.fleet.machines[name].state(now_us)
