"""The way to a client that is no connection: keeps what is written to it, and is full when a test says so."""

from __future__ import annotations

import json
import zlib
from typing import Any

from sysmonstm.gatewayd.messages import DEFLATED


def messages_of(frames: bytes) -> list[dict[str, Any]]:
    """The messages of frames that lie one behind the other."""
    found = []
    while frames:
        short = frames[1]
        start = 2 + {126: 2, 127: 8}.get(short, 0)
        end = start + (int.from_bytes(frames[2:start], "big") if start > 2 else short)
        payload = frames[start:end]
        assert len(payload) == end - start, "a frame is cut off"
        if frames[0] & DEFLATED:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        found.append(json.loads(payload))
        frames = frames[end:]
    return found


class RecordingLine:
    """A client's line."""

    def __init__(self, *, deflates: bool = False) -> None:
        self.deflates = deflates
        self.full = False
        self.buffered = 0
        self.written: list[bytes] = []

    def write(self, frames: bytes) -> None:
        """Keep them."""
        self.written.append(frames)

    def take(self) -> list[dict[str, Any]]:
        """The messages that were written since the last time."""
        written, self.written = self.written, []
        return messages_of(b"".join(written))
