"""When the faults of a scenario happen and how long they last: follows from the seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Wait `after` seconds from the end of the one before; then `kind` for `lasts` seconds."""

    kind: str
    after: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Span:
    """From and to how many seconds."""

    least: float
    most: float

    def draw(self, rng: random.Random) -> float:
        return round(rng.uniform(self.least, self.most), 3)


NONE = Span(0, 0)


def plan(
    rng: random.Random, seconds: float, kinds: Sequence[str], after: Span, lasts: Span = NONE, fewest: int = 1
) -> list[Fault]:
    """Faults for about `seconds`: in each turn every kind once, in any order; one turn and `fewest` at least."""
    faults: list[Fault] = []
    taken = 0.0
    while taken < seconds or len(faults) < max(fewest, len(kinds)):
        if len(faults) % len(kinds) == 0:
            turn = rng.sample(kinds, len(kinds))
        fault = Fault(turn[len(faults) % len(kinds)], after.draw(rng), lasts.draw(rng))
        faults.append(fault)
        taken += fault.after + fault.lasts
    return faults
