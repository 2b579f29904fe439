"""What a synthetic sample holds: it follows from who takes it and its number, so that any stored row can be checked."""

from __future__ import annotations

import hashlib
import math
import struct
from array import array
from collections.abc import Sequence
from functools import lru_cache

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit

# The first two values say whose sample it is: a float32 holds either to the last digit.
NUMBER, ORIGIN = 0, 1
LEAST_WIDTH = 4
# Layouts change in the middle of a stream, as when a disk is plugged in.
SAMPLES_PER_LAYOUT = 40
LAYOUTS = 3
# Of the readings, about one in this many is NaN: "not read this time".
NOT_READ = 16
# Of the samples, one in this many tells of something that happened: of one thing, or two, or three.
SAMPLES_PER_EVENT = 10
EVENT_KIND = "fault.happened"
_SEVERITIES = (pb.SEVERITY_INFO, pb.SEVERITY_WARNING, pb.SEVERITY_CRITICAL)

_NUMBER = Metric("fault.number", Unit.COUNT, Kind.GAUGE, "Which sample of its collector this is")
_ORIGIN = Metric("fault.origin", Unit.COUNT, Kind.GAUGE, "Which collector took it")
_VALUE = Metric("fault.value", Unit.COUNT, Kind.GAUGE, "A value that follows from the two", "place")


@lru_cache(maxsize=64)
def _layout(width: int) -> Layout:
    values = (Series(_VALUE, str(place)) for place in range(width - 2))
    return Layout((Series(_NUMBER), Series(_ORIGIN), *values))


def layout_of(number: int, width: int) -> Layout:
    """The layout of sample `number` of a collector whose frames have `width` values or up to two more."""
    return _layout(width + number // SAMPLES_PER_LAYOUT % LAYOUTS)


def values_of(origin: int, number: int, width: int) -> list[float]:
    """The values of that sample, every one of which a float32 holds exactly."""
    count = len(layout_of(number, width).series) - 2
    raw = hashlib.shake_128(f"{origin}/{number}".encode()).digest(4 * count)
    # 24 bits with the point before the last 8: sums of millions of them are exact in a float64, in any order.
    readings = [math.nan if word % NOT_READ == 0 else (word >> 8) / 256 for word in struct.unpack(f"<{count}I", raw)]
    return [float(number), float(origin), *readings]


def events_of(origin: int, number: int, time_us: int) -> list[pb.Event]:
    """What that sample, taken at `time_us`, tells of."""
    if number % SAMPLES_PER_EVENT:
        return []
    many = 1 + number // SAMPLES_PER_EVENT % 3
    return [
        pb.Event(
            kind=EVENT_KIND,
            severity=_SEVERITIES[place],
            time_us=time_us - many + place,
            message=f"{place + 1} of {many} of sample {number} of origin {origin}",
            fields={"origin": str(origin), "number": str(number), "place": str(place)},
        )
        for place in range(many)
    ]


def bits(values: Sequence[float]) -> bytes:
    """Equal for equal float32 values, one NaN being like the other."""
    return array("f", (math.nan if value != value else value for value in values)).tobytes()
