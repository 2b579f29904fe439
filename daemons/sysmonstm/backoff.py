"""How long to wait before the next try, so that many who failed at once do not come back at once."""

from __future__ import annotations

import random


def full_jitter(attempt: int, base_seconds: float, cap_seconds: float, rng: random.Random) -> float:
    """Seconds before try number `attempt` (0 for the first retry): evenly from 0 to the doubled-up bound.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0, min(cap_seconds, base_seconds * 2 ** min(attempt, 32)))
