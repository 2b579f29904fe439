"""What a test's database has, and how far its roll-up has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sysmonstm.aggregatord.session import CheckedBatch
from tests.aggregatord.history_batches import STEP_US

# 2025-06-15 12:00 UTC.
NOON_US = 1_749_988_800_000_000
MINUTE_US = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CURSOR = "SELECT durable_seq, durable_time FROM streams"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# By streams too: a frame whose stream is not there is a fault.
_STORED = """
SELECT m.name, (f.values)[1]::bigint FROM frames f JOIN machines m ON m.id = f.machine JOIN streams s ON s.id = f.stream
"""


def moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def at(seq: int) -> datetime:
    """The time of the frame with this seq in a batch that starts at noon."""
    return moment(NOON_US + seq * STEP_US)


def rows(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one transaction; what the last one brings."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def stored(url: str) -> list[tuple[str, int]]:
    """Machine and seq (which is the first value, too) of every row, as another connection sees them."""
    return sorted(rows(url, _STORED))


def expected(*batches: CheckedBatch) -> list[tuple[str, int]]:
    """What `stored` is to say once these are settled."""
    return sorted((batch.session.machine, one.frame.seq) for batch in batches for one in batch.frames)


def set_tiers(url: str, claimed: int | None = None, kept_from: int | None = None) -> None:
    """Let the roll-up have come so far, in microseconds since 1970."""
    with psycopg.connect(url) as connection:
        if claimed is not None:
            connection.execute("UPDATE tiers SET claimed = %s WHERE name = 'minute'", (moment(claimed),))
        if kept_from is not None:
            connection.execute("UPDATE tiers SET kept_from = %s WHERE name = 'raw'", (moment(kept_from),))
