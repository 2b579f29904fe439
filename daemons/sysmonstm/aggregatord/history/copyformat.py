"""Rows of incoming frames in PostgreSQL's binary COPY format, made with one pack a row.

Source: the PostgreSQL manual, COPY, "Binary Format"; arrays as array_send() in src/backend/utils/adt/arrayfuncs.c
writes them. Everything is big-endian.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from functools import lru_cache

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)

_FLOAT4_OID = 700
_EPOCH_2000_US = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
# fields; length, time; length, machine; length, stream; length, layout; length, seq; length, dimensions, has nulls,
# element type, elements, lower bound
_HEAD = struct.Struct("!h iq ii ii ii iq i iii ii")
_FIELDS = 6
_ARRAY_HEAD_BYTES = 20
_BYTES_PER_ELEMENT = 8  # its length, then itself


@lru_cache(maxsize=256)
def _lengths(count: int) -> array[int]:
    """Room for `count` elements, each behind its length of 4 bytes, in the byte order of the wire."""
    length = int.from_bytes((4).to_bytes(4, "big"), sys.byteorder)
    return array("I", [length, 0] * count)


def frame_row(time_us: int, machine: int, stream: int, layout: int, seq: int, values: Iterable[float]) -> bytes:
    """One row of (time, machine, stream, layout, seq, values); `time_us` in microseconds since 1970."""
    numbers = array("f", values)
    if sys.byteorder == "little":
        numbers.byteswap()
    count = len(numbers)
    elements = _lengths(count)[:]
    elements[1::2] = array("I", numbers.tobytes())
    head = _HEAD.pack(
        _FIELDS,
        8,
        time_us - _EPOCH_2000_US,
        4,
        machine,
        4,
        stream,
        4,
        layout,
        8,
        seq,
        _ARRAY_HEAD_BYTES + _BYTES_PER_ELEMENT * count,
        1,
        0,
        _FLOAT4_OID,
        count,
        1,
    )
    return head + elements.tobytes()
