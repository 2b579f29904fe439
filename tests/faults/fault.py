"""What a check finds, and which sample it is about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults import payload


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Which one."""

    origin: int
    number: int

    def __str__(self) -> str:
        return f"sample {self.number} of origin {self.origin}"


def sample_of(values: Sequence[float]) -> Sample | None:
    """Whose values these say that they are; None if they say nothing."""
    if len(values) < payload.LEAST_WIDTH or any(math.isnan(value) for value in values[:2]):
        return None
    return Sample(int(values[payload.ORIGIN]), int(values[payload.NUMBER]))
