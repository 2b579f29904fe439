"""The newest frames once more, in memory: a collector that is connected reads nothing from its disk."""

from __future__ import annotations

from collections import deque
from itertools import islice

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.words import Portion

MOST_FRAMES = 64
MOST_BYTES = 1024 * 1024


class Recent:
    """The newest frames of one stream, no seq left out between them; the oldest make way."""

    def __init__(self) -> None:
        self._stream = b""
        self._frames: deque[tuple[pb.Frame, int]] = deque()
        self._bytes = 0

    def add(self, stream: bytes, frame: pb.Frame, size: int) -> None:
        """The next frame, of `size` bytes on the wire."""
        if stream != self._stream:
            self.clear()
            self._stream = stream
        self._frames.append((frame, size))
        self._bytes += size
        while len(self._frames) > MOST_FRAMES or self._bytes > MOST_BYTES:
            self._drop()

    def clear(self) -> None:
        """Forget all: the next frame does not follow on what is here."""
        self._frames.clear()
        self._bytes = 0

    def forget(self, stream: bytes, seq: int) -> None:
        """All up to `seq` is settled."""
        while stream == self._stream and self._frames and self._frames[0][0].seq <= seq:
            self._drop()

    def get(self, stream: bytes, seq: int) -> pb.Frame | None:
        """The frame, if it is here."""
        index = self._index(stream, seq)
        return None if index is None else self._frames[index][0]

    def portion(self, stream: bytes, seq: int, most_frames: int, most_bytes: int) -> Portion | None:
        """The frames from `seq` on, within those bounds but at least one; None if that one is not here."""
        index = self._index(stream, seq)
        if index is None:
            return None
        found = Portion()
        for frame, size in islice(self._frames, index, index + most_frames):
            most_bytes -= size
            if found.frames and most_bytes < 0:
                break
            found.frames.append(frame)
        return found

    def _index(self, stream: bytes, seq: int) -> int | None:
        if stream != self._stream or not self._frames:
            return None
        index = seq - self._frames[0][0].seq
        return index if 0 <= index < len(self._frames) else None

    def _drop(self) -> None:
        self._bytes -= self._frames.popleft()[1]
