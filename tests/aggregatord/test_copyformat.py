from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysmonstm.aggregatord.history import copyformat
from tests.shared.layouts_strategy import float32s

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
int32s = st.integers(-(2**31), 2**31 - 1)
# PostgreSQL and Python agree on these; the wire allows those from 2000 on.
times = st.integers(-(10**15), 4 * 10**15)
int64s = st.integers(-(2**63), 2**63 - 1)
rows = st.tuples(times, int32s, int32s, int32s, int64s, st.lists(float32s, min_size=1, max_size=300))

_TABLE = """
CREATE TEMPORARY TABLE incoming (
    time timestamptz, machine integer, stream integer, layout integer, seq bigint, values real[])
"""
_COPY = "COPY incoming (time, machine, stream, layout, seq, values) FROM STDIN (FORMAT binary)"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=8, unique_by=lambda row: row[:3]))
def test_rows_come_back_from_the_database_as_they_were(
    database_url: str, given_rows: list[tuple[int, int, int, int, int, list[float]]]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(_TABLE)
        with connection.cursor().copy(_COPY) as copy:
            packed = [copyformat.frame_row(*row) for row in given_rows]
            copy.write(b"".join([copyformat.HEADER, *packed, copyformat.TRAILER]))
        # As text they would be rounded to the digits that a float32 needs.
        select = "SELECT time, machine, stream, layout, seq, values FROM incoming"
        found = connection.execute(select, binary=True).fetchall()
        connection.rollback()
    expected = {(EPOCH + timedelta(microseconds=row[0]), *row[1:3]): row[3:] for row in given_rows}
    assert len(found) == len(expected)
    for time, machine, stream, layout, seq, values in found:
        wanted_layout, wanted_seq, wanted = expected[time, machine, stream]
        assert (layout, seq) == (wanted_layout, wanted_seq)
        assert len(values) == len(wanted)
        for one, other in zip(values, wanted, strict=True):
            assert one == other or (math.isnan(one) and math.isnan(other))
