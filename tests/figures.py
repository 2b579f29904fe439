"""Figures that tests measure and do not judge: said at the end of a run, whichever process the test ran in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import pytest

PROPERTY = "figures"

Figures: TypeAlias = Callable[[str], None]
"""Takes a line to be shown."""


def of_test(item: pytest.Item) -> Figures:
    """What a test tells its figures to."""
    return lambda line: item.user_properties.append((PROPERTY, line))


def told(reports: Iterable[object]) -> list[str]:
    """What the tests of these reports have told, in order."""
    ended = [one for one in reports if isinstance(one, pytest.TestReport) and one.when == "call"]
    return [str(line) for report in ended for name, line in report.user_properties if name == PROPERTY]
