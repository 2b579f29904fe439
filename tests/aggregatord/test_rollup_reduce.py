from __future__ import annotations

import struct

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.aggregatord.history.copyformat import HEADER, TRAILER
from sysmonstm.aggregatord.rollup import copyrows
from sysmonstm.aggregatord.rollup.block import Block
from sysmonstm.aggregatord.rollup.make import STORED_COLUMNS
from sysmonstm.aggregatord.rollup.reduce import FrameGroup, merge, reduce_frames
from sysmonstm.aggregatord.rollup.stored import StoredGroup, read_stored
from tests.aggregatord.rollup_model import Key, Row, Sent, differences, expected

NAN = float("nan")
INFINITE = float("inf")
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
READINGS = st.one_of(FLOATS, st.sampled_from([NAN, NAN, INFINITE, -INFINITE, 0.0, -0.0]))


def array_send(values: list[float]) -> bytes:
    """As PostgreSQL's array_send() says it."""
    if not values:
        return struct.pack("!3i", 0, 0, 700)
    return struct.pack("!5i", 1, 0, 700, len(values), 1) + b"".join(struct.pack("!if", 4, one) for one in values)


def group(frames: list[list[float]], machine: int = 1, second: int = 60) -> FrameGroup:
    return FrameGroup(machine, second, 1, 1, 0, len(frames), b"".join(map(array_send, frames)))


def rows(blocks: list[Block]) -> dict[Key, Row]:
    found = {}
    for block in blocks:
        for place, key in enumerate(block.keys):
            name = (int(key["machine"]), int(key["second"]), int(key["stream"]), int(key["layout"]))
            columns = (block.low[place], block.mean[place], block.high[place], block.counts[place].astype(np.int64))
            found[name] = Row(int(block.samples[place]), *columns)
    return found


def model(groups: list[tuple[int, int, list[list[float]]]], step: int = 60) -> dict[Key, Row]:
    sent = [
        Sent(machine, 1, 0, second * 1_000_000 + place, 1, tuple(values))
        for machine, second, frames in groups
        for place, values in enumerate(frames)
    ]
    return expected(sent, step)


FRAMES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(READINGS, min_size=width, max_size=width), min_size=1, max_size=5)
)


@given(st.lists(FRAMES, min_size=1, max_size=6))
def test_groups_of_any_shapes_come_to_what_each_comes_to_alone(groups: list[list[list[float]]]) -> None:
    named = [(machine, 60, frames) for machine, frames in enumerate(groups, start=1)]
    reduced = reduce_frames([group(frames, machine) for machine, _, frames in named])
    assert reduced.damaged == []
    assert differences(rows(reduced.blocks), model(named)) == []


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.tuples(
                st.integers(0, 2), st.lists(st.lists(READINGS, min_size=width, max_size=width), min_size=1, max_size=4)
            ),
            min_size=1,
            max_size=8,
        )
    )
)
def test_parts_merged_come_to_what_the_whole_comes_to(parts: list[tuple[int, list[list[float]]]]) -> None:
    blocks = [block for second, frames in parts for block in reduce_frames([group(frames, second=second * 60)]).blocks]
    whole: dict[int, list[list[float]]] = {}
    for second, frames in parts:
        whole.setdefault(second * 60, []).extend(frames)
    merged = merge(blocks)
    assert differences(rows(merged), model([(1, second, frames) for second, frames in whole.items()])) == []
    for block in merged:
        assert np.array_equal(block.keys, np.unique(block.keys))


def test_nans_of_any_kind_count_for_nothing() -> None:
    quiet, signalling = (struct.pack("!i", bits) for bits in (0x7FC12345, 0x7F812345))
    readings = b"".join(
        struct.pack("!5i", 1, 0, 700, 1, 1) + struct.pack("!i", 4) + bits
        for bits in (quiet, struct.pack("!f", 2.0), signalling)
    )
    (block,) = reduce_frames([FrameGroup(1, 0, 1, 1, 0, 3, readings)]).blocks
    assert (block.low[0, 0], block.mean[0, 0], block.high[0, 0], block.counts[0, 0]) == (2.0, 2.0, 2.0, 1)


def test_a_layout_without_series_has_rows_all_the_same() -> None:
    (block,) = reduce_frames([group([[], []])]).blocks
    assert (block.width, block.samples.tolist()) == (0, [2])
    assert merge([block, block])[0].samples.tolist() == [4]


def test_what_is_no_plain_array_is_left_out_and_named() -> None:
    with_null = struct.pack("!5i", 1, 1, 700, 2, 1) + struct.pack("!if", 4, 1.0) + struct.pack("!i", -1)
    two_dimensions = struct.pack("!7i", 2, 0, 700, 1, 1, 1, 1) + struct.pack("!if", 4, 1.0)
    # One NULL, its length made up by another array: only the flag tells.
    flagged = array_send([1.0, 2.0]).replace(struct.pack("!ii", 1, 0), struct.pack("!ii", 1, 1), 1)
    bad = [
        FrameGroup(machine, 0, 1, 1, 0, 1, packed)
        for machine, packed in enumerate((with_null, two_dimensions, flagged))
    ]
    good = group([[1.0, 2.0]], machine=9)
    reduced = reduce_frames([*bad, good])
    assert sorted(one.machine for one in reduced.damaged) == [0, 1, 2]
    assert list(rows(reduced.blocks)) == [(9, 60, 1, 1)]


COPY = f"COPY minutes ({copyrows.COLUMNS}) FROM STDIN (FORMAT binary)"
READ = f"""
SELECT machine, extract(epoch FROM time)::bigint, stream, layout, {STORED_COLUMNS.as_string()}
FROM minutes GROUP BY machine, time, stream, layout
"""


def through(url: str, blocks: list[Block]) -> dict[Key, Row]:
    """The rows as they come back from a table."""
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE minutes")
        with connection.cursor().copy(COPY.encode()) as copy:
            copy.write(copyrows.encode(blocks))
        found = connection.cursor(binary=True).execute(READ.encode()).fetchall()
        assert all(len(low) == len(high) for low, high in connection.execute("SELECT low, high FROM minutes"))
        return rows(read_stored([StoredGroup(*row) for row in found]))


def test_rows_come_back_from_the_table_as_they_went_in(database_url: str) -> None:
    named = [
        (1, 60, [[1.0, 2.0], [3.0, 4.0]]),
        (2, 60, [[NAN, 2.0], [NAN, 4.0]]),
        (3, 60, [[NAN, 2.0], [1.0, NAN]]),
        (4, 1_750_000_020, [[INFINITE, -INFINITE], [-INFINITE, 3.4e38]]),
        (5, 60, [[3.4e38, 1e-45], [3.4e38, -0.0]]),
        (6, 60, [[1.0]]),
        (7, -86400, [[NAN]]),
    ]
    blocks = reduce_frames([group(frames, machine, second) for machine, second, frames in named]).blocks
    want = model(named)
    assert differences(through(database_url, blocks), want) == []
    with psycopg.connect(database_url) as connection:
        counted = connection.execute("SELECT machine FROM minutes WHERE counts IS NOT NULL ORDER BY 1").fetchall()
    # The infinities' mean is no number although both were read.
    assert counted == [(3,), (4,)]


def test_a_layout_without_series_and_no_rows_at_all_go_in_too(database_url: str) -> None:
    blocks = reduce_frames([group([[], []])]).blocks
    (row,) = through(database_url, blocks).values()
    assert (row.samples, len(row.low)) == (2, 0)
    assert copyrows.encode([]) == HEADER + TRAILER
    assert through(database_url, []) == {}


@pytest.mark.parametrize("width", [1, 100])
def test_rows_of_one_machine_stay_together(width: int) -> None:
    groups = [
        group([[1.0] * width] * (3 if second % 120 else 2), machine, second)
        for machine in (1, 2)
        for second in range(0, 600, 60)
    ]
    (block,) = reduce_frames(groups).blocks
    assert block.keys.tolist() == [(one.machine, one.second, 1, 1) for one in groups]
