"""Decides when a database that failed is tried again: after a wait that grows, by one try at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, auto

from sysmonstm.backoff import full_jitter

BASE_SECONDS = 0.5
CAP_SECONDS = 10.0


class State(Enum):
    """What may be done."""

    CLOSED = auto()  # it works: as much as you like
    OPEN = auto()  # it failed, or was never tried: nothing until `next_try`
    HALF_OPEN = auto()  # one try is being made; whether it works says what comes next


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row so far; `next_try` in monotonic seconds."""

    state: State = State.OPEN
    failures: int = 0
    next_try: float = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long to wait before the next try."""
        return max(0.0, self.next_try - now) if self.state is State.OPEN else 0.0

    def trying(self) -> Breaker:
        """A try begins."""
        return Breaker(State.HALF_OPEN, self.failures, self.next_try)

    def failed(self, now: float, rng: random.Random) -> Breaker:
        """It failed, in a try or while it worked."""
        wait = full_jitter(self.failures, BASE_SECONDS, CAP_SECONDS, rng)
        return Breaker(State.OPEN, self.failures + 1, now + wait)

    def worked(self) -> Breaker:
        """It works; earlier failures count no more."""
        return Breaker(State.CLOSED)
