"""One whole system for the tests of the path, which leave it running and well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole_system import WholeSystem, whole_system


@pytest.fixture(scope="module")
def system(server_directory: Path) -> Iterator[WholeSystem]:
    with whole_system(server_directory / "path") as running:
        yield running
