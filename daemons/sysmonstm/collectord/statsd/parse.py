r"""StatsD lines, `name:value|type[|@rate][|#tag:v,tag2:v2]`, as bytes that any program may have sent. Pure.

Of DogStatsD's additions several values in a line (`name:1:2:3|ms`) are taken, and where the sender runs (`|c:…` and
`|e:…`) is passed over.
"""

from __future__ import annotations

import re

from sysmonstm.collectord.statsd.words import LARGEST, Key, Line, Reason, RefusedError

MOST_BYTES = 512
SMALLEST_RATE = 1e-6

# float() alone would take "nan", "1_000" and " 1 ". A number has no more digits than a line has bytes.
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUES = re.compile(_NUMBER + rb"(?::" + _NUMBER + rb")*")
_RATE = re.compile(_NUMBER)
_SIGNS = (b"+", b"-")


def parse(line: bytes) -> Line:
    """What a line says; RefusedError if it is none. Nothing is known yet about its name, type and tags."""
    if len(line) > MOST_BYTES:
        raise RefusedError(Reason.LENGTH, f"a line has at most {MOST_BYTES} bytes")
    name, _, rest = line.partition(b":")
    values, *fields = rest.split(b"|")
    if not fields:
        raise RefusedError(Reason.SYNTAX, "a line is name:value|type, as in shop.orders:1|c")
    rate, tags = 1.0, b""
    for field in fields[1:]:
        if field.startswith(b"#"):
            tags = field[1:]
        elif field.startswith(b"@"):
            rate = _rate(field[1:])
        elif not field.startswith((b"c:", b"e:")):
            raise RefusedError(Reason.SYNTAX, "after the type come @rate and #tags, and nothing else is taken")
    # NamedTuple's own constructor costs three times as much, and there are many lines.
    return Line._make((Key._make((name, fields[0], tags)), _values(values), rate, values[:1] in _SIGNS))


def _values(text: bytes) -> tuple[float, ...]:
    if not _VALUES.fullmatch(text):
        raise RefusedError(Reason.VALUE, "a value is a decimal number, and finite")
    values = tuple(map(float, text.split(b":"))) if b":" in text else (float(text),)
    for value in values:
        if not -LARGEST <= value <= LARGEST:
            raise RefusedError(Reason.VALUE, f"a value is at most {LARGEST:g}")
    return values


def _rate(text: bytes) -> float:
    if not _RATE.fullmatch(text) or not SMALLEST_RATE <= (rate := float(text)) <= 1:
        raise RefusedError(Reason.VALUE, f"a sample rate is {SMALLEST_RATE:g} to 1")
    return rate
