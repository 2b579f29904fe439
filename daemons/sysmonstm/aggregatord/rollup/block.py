"""Rows of `minutes` and `hours` as they are while they are reckoned with: columns of numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What names a row; `second` is the start of its minute or hour, in seconds since 1970.
KEY = np.dtype([("machine", np.int32), ("second", np.int64), ("stream", np.int32), ("layout", np.int32)])


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows whose layouts have equally many series: one row of each array for each of them."""

    # Of KEY.
    keys: NDArray[np.void]
    # How many frames.
    samples: NDArray[np.int32]
    # By series. NaN where no reading was a number; `mean` is kept exact for as long as there is more to come.
    low: NDArray[np.float32]
    mean: NDArray[np.float64]
    high: NDArray[np.float32]
    # By series: how many readings were numbers.
    counts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def width(self) -> int:
        """How many series."""
        return int(self.low.shape[1])


def unfilled(keys: NDArray[np.void], width: int) -> Block:
    """A block of these rows with room for their numbers."""
    shape = (len(keys), width)
    return Block(
        keys,
        np.empty(len(keys), np.int32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float64),
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
    )


def chosen(block: Block, which: NDArray[np.generic]) -> Block:
    """Some rows of a block, by a mask or by their places."""
    columns = (block.keys, block.samples, block.low, block.mean, block.high, block.counts)
    return Block(*(column[which] for column in columns))


def joined(blocks: list[Block]) -> Block:
    """The rows of blocks of one width, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        np.concatenate([one.keys for one in blocks]),
        np.concatenate([one.samples for one in blocks]),
        np.concatenate([one.low for one in blocks]),
        np.concatenate([one.mean for one in blocks]),
        np.concatenate([one.high for one in blocks]),
        np.concatenate([one.counts for one in blocks]),
    )
