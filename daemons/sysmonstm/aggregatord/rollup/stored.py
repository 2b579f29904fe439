"""Reads rows of `minutes` and `hours` back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysmonstm.aggregatord.rollup import arrays
from sysmonstm.aggregatord.rollup.block import KEY, Block


class StoredGroup(NamedTuple):
    """Rows of one machine, bucket, stream and layout, their columns put end to end."""

    machine: int
    second: int
    stream: int
    layout: int
    rows: int
    # Of each row: samples as int4send() says them; a byte that is 1 where it has counts.
    samples: bytes
    counted: bytes
    # As array_send() says them.
    low: bytes
    mean: bytes
    high: bytes
    counts: bytes | None


def read_stored(groups: Sequence[StoredGroup]) -> list[Block]:
    """Their rows, a block for each width; all those of a group have its key."""
    by_width: defaultdict[int, list[StoredGroup]] = defaultdict(list)
    for group in groups:
        by_width[arrays.width_of(group.low, group.rows)].append(group)
    return [_read_alike(alike, width) for width, alike in by_width.items()]


def _read_alike(groups: Sequence[StoredGroup], width: int) -> Block:
    keys = np.array([(one.machine, one.second, one.stream, one.layout) for one in groups], KEY)
    samples = np.frombuffer(b"".join(one.samples for one in groups), ">i4").astype(np.int32)
    mean = arrays.read_floats([one.mean for one in groups], width)
    return Block(
        np.repeat(keys, [one.rows for one in groups]),
        samples,
        arrays.read_floats([one.low for one in groups], width),
        mean.astype(np.float64),
        arrays.read_floats([one.high for one in groups], width),
        _counts(groups, samples, mean),
    )


def _counts(groups: Sequence[StoredGroup], samples: NDArray[np.int32], mean: NDArray[np.float32]) -> NDArray[np.int32]:
    """Rows that say nothing of their counts have every reading of each series, or none where its mean is NaN."""
    with np.errstate(all="ignore"):
        counts = np.where(np.isnan(mean), 0, samples[:, None]).astype(np.int32)
    counted = np.frombuffer(b"".join(one.counted for one in groups), np.bool_)
    if counted.any():
        packed = [one.counts for one in groups if one.counts]
        counts[counted] = arrays.read_integers(packed, mean.shape[1])
    return counts
