"""Values as people read them in a terminal: durations and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = "–"
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


def number_text(value: float | None, digits: int = 1) -> str:
    """`12.3`; a dash for what was not read."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def duration_text(seconds: float | None) -> str:
    """The two largest units that matter: `45s`, `12m 5s`, `3h 4m`, `17d 3h`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def ago_text(then: float | None, now: float) -> str:
    """How long ago, both in seconds since 1970; `now` within two seconds, whichever clock is ahead."""
    if then is None:
        return NOTHING
    return "now" if now - then < 2 else f"{duration_text(now - then)} ago"


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int]) -> list[str]:
    """Rows as lines of equal columns, those in `right` (from 0) to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return ["  ".join(line).rstrip() for line in lines]
