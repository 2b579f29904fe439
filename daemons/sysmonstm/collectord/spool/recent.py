"""The newest frames, in memory: a collector that is connected reads nothing from its disk.

Those that the disk does not take are nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.words import Portion

MOST_FRAMES = 64
MOST_BYTES = 1024 * 1024


class Recent:
    """The newest frames of one stream, no seq left out between them; the oldest make way, the newest never does."""

    def __init__(self, dropped: Callable[[bytes, int], None]) -> None:
        """`dropped` is told the stream and the seq of each frame that is here no more."""
        self._dropped = dropped
        self._stream = b""
        self._frames: deque[tuple[pb.Frame, int]] = deque()
        self._bytes = 0

    def add(self, stream: bytes, frame: pb.Frame, size: int) -> None:
        """The next frame, of `size` bytes on the wire."""
        if stream != self._stream:
            while self._frames:
                self._drop()
            self._stream = stream
        self._frames.append((frame, size))
        self._bytes += size
        while len(self._frames) > MOST_FRAMES or (self._bytes > MOST_BYTES and len(self._frames) > 1):
            self._drop()

    def forget(self, stream: bytes, seq: int) -> None:
        """All up to `seq` is settled, or shed."""
        while stream == self._stream and self._frames and self._frames[0][0].seq <= seq:
            self._drop()

    def first_seq(self, stream: bytes) -> int | None:
        """From which seq on all frames of a stream are here; None if none is."""
        return self._frames[0][0].seq if stream == self._stream and self._frames else None

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
        frame, size = self._frames.popleft()
        self._bytes -= size
        self._dropped(self._stream, frame.seq)
