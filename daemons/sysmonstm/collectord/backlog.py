"""Samples that no aggregator has acknowledged yet: a queue in memory, bounded by bytes; the oldest are shed first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Layout


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: pb.Frame
    layout: Layout
    size: int


class Backlog:
    """Frames in order of seq, from the oldest unacknowledged to the newest. Seq is given out here, from 1."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: of frames as they are on the wire."""
        self._most_bytes = most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._seq = 0
        self.dropped = 0

    def __len__(self) -> int:
        """How many frames are unacknowledged."""
        return len(self._waiting)

    def append(self, time_us: int, layout: Layout, values: list[float]) -> pb.Frame:
        """A new sample; makes room for it by shedding the oldest, which `dropped` counts."""
        self._seq += 1
        frame = pb.Frame(seq=self._seq, time_us=time_us, layout_id=layout.id, values=values)
        size = frame.ByteSize()
        self._waiting.append(_Waiting(frame, layout, size))
        self._bytes += size
        while self._bytes > self._most_bytes and len(self._waiting) > 1:
            self._bytes -= self._waiting.popleft().size
            self.dropped += 1
        return frame

    def acknowledge(self, seq: int) -> None:
        """Everything up to `seq` is settled."""
        while self._waiting and self._waiting[0].frame.seq <= seq:
            self._bytes -= self._waiting.popleft().size

    def after(self, seq: int, most_frames: int) -> list[pb.Frame]:
        """The oldest frames that come after `seq`, at most that many."""
        if not self._waiting:
            return []
        # Nothing is ever missing between the oldest and the newest, so the place follows from the number.
        start = max(0, seq + 1 - self._waiting[0].frame.seq)
        return [waiting.frame for waiting in islice(self._waiting, start, start + most_frames)]

    def layout(self, layout_id: bytes) -> Layout | None:
        """The layout of a frame that waits here."""
        return next((waiting.layout for waiting in self._waiting if waiting.layout.id == layout_id), None)
