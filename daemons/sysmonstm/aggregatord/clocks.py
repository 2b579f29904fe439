"""What the hub makes of a machine's clock, which may be wrong by any amount; all in microseconds.

`skew_us` is by how much the machine's clock is ahead, the way of the message included; None where the machine has not
said what its clock shows.
"""

from __future__ import annotations

# A clock that is wrong by more is as good as one that is wrong by this: a century.
MOST_SKEW_US = 100 * 366 * 86_400_000_000


def skew_us(sent_us: int, now_us: int) -> int | None:
    """The skew of a machine whose clock showed `sent_us` as it sent what came now; 0 there is "not said"."""
    return max(-MOST_SKEW_US, min(sent_us - now_us, MOST_SKEW_US)) if sent_us else None


def taken_us(time_us: int, skew: int | None, now_us: int) -> int:
    """When a sample was taken, by the hub's clock: never in the future, and now where nothing is known."""
    return now_us if skew is None else min(time_us - skew, now_us)
