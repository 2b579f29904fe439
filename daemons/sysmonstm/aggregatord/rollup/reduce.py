"""Min, mean, max and count of each series, of frames and of rows that are such already. Pure: numpy in, numpy out.

A reading that is NaN counts for nothing. Means are summed in float64, and rounded to float32 when they are stored; so a
mean that was made from stored means is within a few units in the last place of the one made from all readings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysmonstm.aggregatord.rollup import arrays
from sysmonstm.aggregatord.rollup.block import KEY, Block, joined, unfilled


class FrameGroup(NamedTuple):
    """Frames of one machine, bucket, stream and layout: all of them, or one part of very many."""

    machine: int
    second: int
    stream: int
    layout: int
    part: int
    frames: int
    values: bytes


class Reduced(NamedTuple):
    """What groups come to, a block for each width; and those that could not be read."""

    blocks: list[Block]
    damaged: list[FrameGroup]


def reduce_frames(groups: Sequence[FrameGroup]) -> Reduced:
    """One row for each group, those of a block in the order of the groups."""
    by_width: defaultdict[int, list[FrameGroup]] = defaultdict(list)
    damaged = []
    for group in groups:
        try:
            by_width[arrays.width_of(group.values, group.frames)].append(group)
        except arrays.DamagedArrayError:
            damaged.append(group)
    blocks = []
    for width, alike in by_width.items():
        try:
            blocks.append(_reduce_alike(alike, width))
        except arrays.DamagedArrayError:
            sound = [group for group in alike if _is_sound(group, width)]
            damaged += [group for group in alike if group not in sound]
            if sound:
                blocks.append(_reduce_alike(sound, width))
    return Reduced(blocks, damaged)


def merge(blocks: Sequence[Block]) -> list[Block]:
    """The same rows, but those with the same key made one; in the order of their keys."""
    by_width: defaultdict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        by_width[block.width].append(block)
    return [_merge_alike(joined(alike)) for alike in by_width.values()]


def _is_sound(group: FrameGroup, width: int) -> bool:
    try:
        arrays.read_floats([group.values], width)
    except arrays.DamagedArrayError:
        return False
    return True


def _reduce_alike(groups: Sequence[FrameGroup], width: int) -> Block:
    keys = np.array([(one.machine, one.second, one.stream, one.layout) for one in groups], KEY)
    block = unfilled(keys, width)
    block.samples[:] = [one.frames for one in groups]
    for size, places in _by_size(block.samples):
        packed = [groups[place].values for place in places]
        readings = arrays.read_floats(packed, width).reshape(len(places), size, width)
        _put(block, places, readings)
    return block


def _put(block: Block, places: NDArray[np.intp], readings: NDArray[np.float32]) -> None:
    """Fill in rows of a block from their readings, which are by row, frame and series."""
    # An infinity less an infinity is not a number, as it should be; and no number by none is NaN.
    with np.errstate(all="ignore"):
        counts, known = readings.shape[1], readings
        if (nothing := np.isnan(readings)).any():
            counts = counts - nothing.sum(axis=1, dtype=np.int32)
            known = np.where(nothing, np.float32(0), readings)
            # A signalling NaN, which no machine has but anybody can send, wins over every number.
            readings = np.where(nothing, np.float32(np.nan), readings)
        block.low[places] = np.fmin.reduce(readings, axis=1)
        block.mean[places] = known.sum(axis=1, dtype=np.float64) / counts
        block.high[places] = np.fmax.reduce(readings, axis=1)
        block.counts[places] = counts


def _merge_alike(block: Block) -> Block:
    keys, bucket = np.unique(block.keys, return_inverse=True)
    sizes = np.bincount(bucket, minlength=len(keys))
    if len(keys) == len(block) and (bucket[:-1] < bucket[1:]).all():
        return block
    order = np.argsort(bucket, kind="stable")
    starts = np.cumsum(sizes) - sizes
    merged = unfilled(keys, block.width)
    for size, places in _by_size(sizes):
        rows = order[starts[places][:, None] + np.arange(size)]
        counts = block.counts[rows]
        with np.errstate(all="ignore"):
            merged.samples[places] = block.samples[rows].sum(axis=1)
            merged.low[places] = np.fmin.reduce(block.low[rows], axis=1)
            merged.high[places] = np.fmax.reduce(block.high[rows], axis=1)
            merged.counts[places] = total = counts.sum(axis=1)
            merged.mean[places] = np.where(counts > 0, block.mean[rows] * counts, 0).sum(axis=1) / total
    return merged


def _by_size(sizes: NDArray[np.generic]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each size that there is, and where it is: rows of the same size are reckoned all at once."""
    for size in np.unique(sizes):
        yield int(size), np.flatnonzero(sizes == size)
