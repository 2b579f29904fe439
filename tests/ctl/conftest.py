"""A state directory of each test's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def state() -> Iterator[Path]:
    """Short enough for unix sockets, and PostgreSQL's unprivileged account may enter it."""
    with tempfile.TemporaryDirectory(prefix="sysmon-ctl-", dir="/var/tmp") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path
