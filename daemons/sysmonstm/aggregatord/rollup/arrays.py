"""Reads PostgreSQL's arrays of 4-byte numbers, many at once, as array_send() puts them end to end.

Source: array_send() in src/backend/utils/adt/arrayfuncs.c. An array is: dimensions, whether it has NULLs, the type of
its elements, then for its one dimension the length and the lower bound, then each element behind its length of 4 bytes.
One without elements has no dimension, and ends after the type. Everything is big-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

EMPTY_BYTES = 12
HEAD_BYTES = 20
ELEMENT_BYTES = 8


class DamagedArrayError(ValueError):
    """These bytes are not what was expected: NULLs, another shape, or arrays of different lengths."""


def bytes_of(width: int) -> int:
    """How many bytes an array of that many elements has."""
    return HEAD_BYTES + ELEMENT_BYTES * width if width else EMPTY_BYTES


def width_of(packed: bytes, arrays: int) -> int:
    """How many elements each of `arrays` arrays has; DamagedArrayError if they are not equally long."""
    size, rest = divmod(len(packed), arrays)
    width = max(size - HEAD_BYTES, 0) // ELEMENT_BYTES
    if rest or size != bytes_of(width):
        raise DamagedArrayError(f"{len(packed)} bytes are not {arrays} arrays of one length")
    return width


@lru_cache(maxsize=256)
def _layout(width: int, element: str) -> np.dtype[np.void]:
    return np.dtype([("head", ">i4", 5), ("elements", [("length", ">i4"), ("value", element)], width)])


def read_floats(packed: Sequence[bytes], width: int) -> NDArray[np.float32]:
    """Arrays of `width` elements, of each bytes in turn: one row for each. DamagedArrayError if it is none."""
    return _read(packed, width, ">f4").astype(np.float32)


def read_integers(packed: Sequence[bytes], width: int) -> NDArray[np.int32]:
    """The same of integers."""
    return _read(packed, width, ">i4").astype(np.int32)


def _read(packed: Sequence[bytes], width: int, element: str) -> NDArray[Any]:
    joined = b"".join(packed)
    if width == 0:
        return np.empty((len(joined) // EMPTY_BYTES, 0), element)
    arrays = np.frombuffer(joined, _layout(width, element))
    heads = arrays["head"]
    expected = heads[:, 0] == 1
    expected &= (heads[:, 1] == 0) & (heads[:, 3] == width)
    if not (expected.all() and (arrays["elements"]["length"] == 4).all()):
        raise DamagedArrayError("an array has NULLs, or another shape")
    return arrays["elements"]["value"]
