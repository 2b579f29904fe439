"""Rows of `minutes` and `hours` in PostgreSQL's binary COPY format, all rows of a block at once.

Sources as in history/copyformat.py.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sysmonstm.aggregatord.history.copyformat import HEADER, TRAILER
from sysmonstm.aggregatord.rollup.arrays import bytes_of
from sysmonstm.aggregatord.rollup.block import Block, chosen

COLUMNS = "time, machine, stream, layout, samples, low, mean, high, counts"

_FIELDS = 9
_FLOAT4_OID = 700
_INT4_OID = 23
_EPOCH_2000 = 946_684_800  # PostgreSQL counts from 2000-01-01
_TIME = ("time", ">i8", 8)
_NUMBERS = (_TIME, *((name, ">i4", 4) for name in ("machine", "stream", "layout", "samples")))


def encode(blocks: list[Block]) -> bytes:
    """What COPY … FROM STDIN (FORMAT binary) of COLUMNS takes."""
    return b"".join([HEADER, *(rows for block in blocks for rows in _block(block)), TRAILER])


def _block(block: Block) -> list[bytes]:
    # Counts go without saying where every reading was a number, or none was and the mean says so.
    nothing = np.isnan(block.mean)
    every = (block.counts == block.samples[:, None]) & ~nothing
    plain = (every | ((block.counts == 0) & nothing)).all(axis=1)
    if plain.all():
        return [_rows(block, False)]
    return [_rows(chosen(block, plain), False), _rows(chosen(block, ~plain), True)]


def _rows(block: Block, counted: bool) -> bytes:
    rows = np.zeros(len(block), _row(block.width, counted))
    rows["fields"] = _FIELDS
    for name, _, length in _NUMBERS:
        rows[f"{name} length"] = length
    rows["time"] = (block.keys["second"] - _EPOCH_2000) * 1_000_000
    for name in ("machine", "stream", "layout"):
        rows[name] = block.keys[name]
    rows["samples"] = block.samples
    # A mean lies between readings, and so fits where they did; a NaN may be of a kind that a float32 has not.
    with np.errstate(all="ignore"):
        for name, column in (("low", block.low), ("mean", block.mean), ("high", block.high)):
            _fill(rows[name], column, _FLOAT4_OID)
    if counted:
        _fill(rows["counts"], block.counts, _INT4_OID)
    else:
        rows["counts"] = -1  # NULL
    return rows.tobytes()


def _fill(field: NDArray[np.void], column: NDArray[np.generic], oid: int) -> None:
    width = column.shape[1]
    field["length"] = bytes_of(width)
    field["oid"] = oid
    if width:
        field["dimensions"] = 1
        field["bounds"] = (width, 1)
        field["elements"]["length"] = 4
        field["elements"]["value"] = column


@lru_cache(maxsize=256)
def _row(width: int, counted: bool) -> np.dtype[np.void]:
    numbers = [part for name, kind, _ in _NUMBERS for part in ((f"{name} length", ">i4"), (name, kind))]
    floats = _array(width, ">f4")
    counts = _array(width, ">i4") if counted else ">i4"
    return np.dtype(
        [("fields", ">i2"), *numbers, ("low", floats), ("mean", floats), ("high", floats), ("counts", counts)]
    )


def _array(width: int, element: str) -> np.dtype[np.void]:
    head = [("length", ">i4"), ("dimensions", ">i4"), ("nulls", ">i4"), ("oid", ">i4")]
    if not width:
        return np.dtype(head)
    elements = [("length", ">i4"), ("value", element)]
    return np.dtype([*head, ("bounds", ">i4", 2), ("elements", elements, width)])
