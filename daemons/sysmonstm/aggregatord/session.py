"""What one collector's stream has sent and what it is owed: decides, and waits for nothing.

A batch passes three states: parked while a layout is missing, pending while the database has not committed it, and
settled, which is what an Ack says. Batches settle in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.metric import Layout
from sysmonstm.wire import MAX_SEQ, RefusedError, check_frame

# A batch has at most this many frames; collectors send fewer.
MAX_BATCH_FRAMES = 1000


class ProtocolError(RefusedError):
    """The collector does not keep the protocol: its stream ends."""


@dataclass(frozen=True, slots=True)
class CheckedFrame:
    """A frame that may be stored, with the layout that its values follow."""

    frame: pb.Frame
    layout: Layout


@dataclass(slots=True)
class CheckedBatch:
    """A batch whose frames have been looked at; `last_seq` is settled once `frames` are committed."""

    session: Session
    frames: list[CheckedFrame] = field(default_factory=list)
    rejected: list[pb.Rejection] = field(default_factory=list)
    last_seq: int = 0


class Session:
    """One stream of one machine on one connection."""

    def __init__(self, hello: pb.Hello, layouts: LayoutBook, window: int) -> None:
        self.hello = hello
        self.machine = hello.machine
        self.stream = hello.stream
        self._layouts = layouts
        self._most_batches = window
        self._parked: deque[pb.Batch] = deque()
        self._asked: set[bytes] = set()
        self._unsettled = 0
        self._durable_seq = 0
        self._rejected: list[pb.Rejection] = []

    def batch(self, batch: pb.Batch) -> None:
        """A batch has come; ProtocolError if the window does not allow it."""
        if self._unsettled >= self._most_batches:
            raise ProtocolError(f"more than {self._most_batches} batches are unacknowledged")
        if not 0 < len(batch.frames) <= MAX_BATCH_FRAMES:
            raise ProtocolError(f"a batch has 1 to {MAX_BATCH_FRAMES} frames")
        if any(frame.seq > MAX_SEQ for frame in batch.frames):
            # To refuse only the frame would need an Ack, and so a row, that names it.
            raise ProtocolError(f"a seq is at most {MAX_SEQ}")
        self._unsettled += 1
        self._parked.append(batch)

    def wanted_layouts(self) -> list[bytes]:
        """Layouts that the first parked batch lacks and that were not asked for yet; they count as asked for now."""
        if not self._parked:
            return []
        ids = dict.fromkeys(frame.layout_id for frame in self._parked[0].frames)
        wanted = [one for one in ids if one not in self._asked and self._layouts.get(one) is None]
        self._asked.update(wanted)
        return wanted

    def layout_came(self, layout_id: bytes) -> None:
        """A layout is known now; if it is ever lost again it may be asked for again."""
        self._asked.discard(layout_id)

    def checked(self, now_us: int) -> Iterator[CheckedBatch]:
        """Take parked batches out, in order, for as long as all their layouts are known."""
        while self._parked and all(self._layouts.get(frame.layout_id) for frame in self._parked[0].frames):
            yield self._check(self._parked.popleft(), now_us)

    def _check(self, batch: pb.Batch, now_us: int) -> CheckedBatch:
        checked = CheckedBatch(self)
        for frame in batch.frames:
            layout = self._layouts.get(frame.layout_id)
            assert layout is not None, "`checked` has looked"
            checked.last_seq = max(checked.last_seq, frame.seq)
            try:
                check_frame(frame, layout, now_us)
            except RefusedError as refusal:
                checked.rejected.append(pb.Rejection(seq=frame.seq, reason=str(refusal)))
            else:
                checked.frames.append(CheckedFrame(frame, layout))
        return checked

    def settle(self, batch: CheckedBatch) -> None:
        """A batch is committed."""
        self._unsettled -= 1
        self._durable_seq = max(self._durable_seq, batch.last_seq)
        self._rejected += batch.rejected

    def ack(self, window: int) -> pb.Ack:
        """What to tell the collector now; the rejections are told once."""
        rejected, self._rejected = self._rejected, []
        return pb.Ack(durable_seq=self._durable_seq, rejected=rejected, window=window)
