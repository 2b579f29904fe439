"""The two editions of PostgreSQL that history is kept by, for tests that must hold on both.

A test marked `each_edition` runs once on each: its database_url and empty_database_url are of that edition.
"""

from __future__ import annotations

import pytest

TIMESCALEDB = "timescaledb"
PLAIN = "plain"

each_edition = pytest.mark.parametrize("edition", [TIMESCALEDB, PLAIN], indirect=True)
