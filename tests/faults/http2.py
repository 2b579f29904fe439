"""As much of HTTP/2 as it takes to make a message vanish without a trace: frames of unknown types are ignored."""

from __future__ import annotations

from collections.abc import Callable

# RFC 9113: a client begins with this; each frame has 3 bytes of length, a type, flags and 4 bytes of stream.
PREFACE_BYTES = 24
HEADER_BYTES = 9
TYPE_AT = 3
DATA = 0
UNKNOWN_BIT = 0x40


class Frames:
    """One way of a connection from its beginning."""

    def __init__(self, preface_bytes: int) -> None:
        # Bytes until the next header, and what has come of that.
        self._rest = preface_bytes
        self._header = bytearray()

    def passed(self, data: bytes, chosen: Callable[[], bool]) -> bytes:
        """The next bytes; a DATA frame that is `chosen` is of a type that nobody knows."""
        out = bytearray(data)
        for at, byte in enumerate(data):
            if self._rest:
                self._rest -= 1
                continue
            if len(self._header) == TYPE_AT and byte == DATA and chosen():
                out[at] ^= UNKNOWN_BIT
            self._header.append(byte)
            if len(self._header) == HEADER_BYTES:
                self._rest = int.from_bytes(self._header[:TYPE_AT], "big")
                self._header.clear()
        return bytes(out)
