"""What one collector's stream has sent and what it is owed: decides, and waits for nothing.

A batch passes three states: parked while a layout is missing, pending while the database has not committed it, and
settled, which is what an Ack says. Batches settle in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.allowance import Allowance, Pace
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.spans import Spans
from sysmonstm.metric import LAYOUT_ID_BYTES, Layout
from sysmonstm.wire import RefusedError, check_events, check_frame, mend_event_times

# About two milliseconds' work: others may run after so many values have been looked at.
CHUNK_VALUES = 25_000
# What a frame takes in memory beyond its part of the message, measured.
FRAME_OVERHEAD_BYTES = 350
# What an event takes beyond its part, with some fields; and the values that looking at it costs as much as.
EVENT_OVERHEAD_BYTES = 900
EVENT_VALUES = 100


class ProtocolError(RefusedError):
    """The collector does not keep the protocol: its stream ends."""


@dataclass(frozen=True, slots=True)
class CheckedFrame:
    """A frame that may be stored, with the layout that its values follow."""

    frame: pb.Frame
    layout: Layout


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """A frame that must not be stored as a sample, and why; without a layout where none is known for it.

    Its events may be good all the same, and are stored then.
    """

    frame: pb.Frame
    layout: Layout | None
    reason: str
    keeps_events: bool = False


def refused(frame: pb.Frame, layout: Layout | None, reason: str) -> RejectedFrame:
    """The frame, refused for that reason; its events only where they are not good themselves."""
    if not frame.events:
        return RejectedFrame(frame, layout, reason)
    try:
        check_events(frame.events)
    except RefusedError as refusal:
        return RejectedFrame(frame, layout, _both(reason, str(refusal)))
    return RejectedFrame(frame, layout, f"{reason}; its events are kept", keeps_events=True)


def _both(reason: str, of_events: str) -> str:
    return reason if reason == of_events else f"{reason}; its events are not kept either: {of_events}"


@dataclass(slots=True)
class CheckedBatch:
    """A batch that has been looked at: everything up to `last_seq` is settled once it is committed.

    `last_time_us` is the time of the frame with that seq, 0 where that is a gap or was rejected. `gaps` are in order of
    seq, and name also what the collector has left out without a word. `size_bytes` is about what it takes in memory.
    `dropped_events` are to be told of: events of the machine that were too many, and are in no frame any more.
    """

    session: Session
    frames: list[CheckedFrame] = field(default_factory=list)
    rejected: list[RejectedFrame] = field(default_factory=list)
    gaps: list[pb.Gap] = field(default_factory=list)
    last_seq: int = 0
    last_time_us: int = 0
    size_bytes: int = 0
    dropped_events: int = 0


@dataclass(frozen=True, slots=True)
class _Parked:
    batch: pb.Batch
    gaps: list[pb.Gap]
    last_seq: int
    size_bytes: int
    layout_ids: list[bytes]


class Session:
    """One stream of one machine on one connection; frames of before `oldest_seconds` ago are refused."""

    def __init__(self, hello: pb.Hello, layouts: LayoutBook, oldest_seconds: float) -> None:
        self.hello = hello
        self.machine = hello.machine
        self.stream = hello.stream
        self.allowance = Allowance()
        # Of batches that were taken out, to be committed, and are not settled.
        self.offered_bytes = 0
        self._layouts = layouts
        self._oldest_us = int(oldest_seconds * 1e6)
        self._parked: deque[_Parked] = deque()
        self._asked: set[bytes] = set()
        self._refused: dict[bytes, str] = {}
        self._last_seq = 0
        self._durable_seq = 0
        self._rejected: list[pb.Rejection] = []

    def keep_to(self, oldest_seconds: float) -> None:
        """Frames of before `oldest_seconds` ago are refused from now on."""
        self._oldest_us = int(oldest_seconds * 1e6)

    def welcome(self, pace: Pace) -> pb.Welcome:
        """What to tell the collector first."""
        self.allowance.tell(pace)
        return pb.Welcome(window=pace.window, frames_per_batch=pace.frames)

    def batch(self, batch: pb.Batch, message_bytes: int) -> None:
        """A batch has come, in a message of that size; ProtocolError if it was not allowed, or is not in order."""
        spans = Spans(batch)
        if complaint := self.allowance.why_not(len(batch.frames)) or spans.why_not:
            raise ProtocolError(complaint)
        events = sum(len(frame.events) for frame in batch.frames)
        size_bytes = message_bytes + FRAME_OVERHEAD_BYTES * len(batch.frames) + EVENT_OVERHEAD_BYTES * events
        self.allowance.take(len(batch.frames), size_bytes)
        ids = list(dict.fromkeys(frame.layout_id for frame in batch.frames if _is_layout_id(frame.layout_id)))
        self._parked.append(_Parked(batch, spans.gaps(self._last_seq), spans.last_seq, size_bytes, ids))
        self._last_seq = max(self._last_seq, spans.last_seq)

    def wanted_layouts(self) -> list[bytes]:
        """Layouts that the first parked batch lacks and that were not asked for yet; they count as asked for now."""
        if not self._parked:
            return []
        wanted = [one for one in self._parked[0].layout_ids if one not in self._asked and not self._has(one)]
        self._asked.update(wanted)
        return wanted

    def ask_again(self) -> None:
        """It has been quiet for a while: a layout that was asked for may have been lost on the way."""
        self._asked.clear()

    def layout_came(self, layout_id: bytes) -> None:
        """A layout is known now; if it is ever lost again it may be asked for again."""
        self._asked.discard(layout_id)

    def layout_refused(self, layout_id: bytes, reason: str) -> bool:
        """A layout that came does not keep the contract: its frames are refused. False if it was not asked for."""
        if layout_id not in self._asked:
            return False
        self._refused[layout_id] = reason
        return True

    def checked(self, now_us: int) -> Iterator[CheckedBatch | None]:
        """Take parked batches out, in order, for as long as all their layouts are known.

        None comes in between where much has been done: others may run.
        """
        while self._parked and all(map(self._has, self._parked[0].layout_ids)):
            parked = self._parked.popleft()
            layouts = {one: layout for one in parked.layout_ids if (layout := self._layouts.get(one))}
            checked = CheckedBatch(self, gaps=parked.gaps, last_seq=parked.last_seq, size_bytes=parked.size_bytes)
            yield from self._check(parked.batch.frames, layouts, checked, now_us)
            self.offered_bytes += checked.size_bytes
            yield checked

    def _has(self, layout_id: bytes) -> bool:
        return layout_id in self._refused or self._layouts.get(layout_id) is not None

    def _check(
        self, frames: Iterable[pb.Frame], layouts: dict[bytes, Layout], checked: CheckedBatch, now_us: int
    ) -> Iterator[None]:
        values = 0
        for frame in frames:
            layout = layouts.get(frame.layout_id)
            if reason := self._why_not(frame, layout, now_us):
                checked.rejected.append(refused(frame, layout, reason))
            else:
                assert layout is not None, "or there is a reason"
                checked.frames.append(CheckedFrame(frame, layout))
                if frame.seq == checked.last_seq:
                    checked.last_time_us = frame.time_us
            if frame.events:
                mend_event_times(frame, now_us, now_us - self._oldest_us)
            values += len(frame.values) + EVENT_VALUES * len(frame.events)
            if values > CHUNK_VALUES:
                values = 0
                yield None

    def _why_not(self, frame: pb.Frame, layout: Layout | None, now_us: int) -> str:
        if layout is None:
            return self._refused.get(frame.layout_id, "it names no layout")
        try:
            check_frame(frame, layout, now_us, now_us - self._oldest_us)
        except RefusedError as refusal:
            return str(refusal)
        return ""

    def settle(self, batch: CheckedBatch) -> None:
        """A batch is committed."""
        self.allowance.settle(batch.size_bytes)
        self.offered_bytes -= batch.size_bytes
        self._durable_seq = max(self._durable_seq, batch.last_seq)
        self._rejected += [pb.Rejection(seq=one.frame.seq, reason=one.reason) for one in batch.rejected]

    def ack(self, pace: Pace) -> pb.Ack:
        """What to tell the collector now; the rejections are told once."""
        self.allowance.tell(pace)
        rejected, self._rejected = self._rejected, []
        return pb.Ack(
            durable_seq=self._durable_seq,
            rejected=rejected,
            window=pace.window,
            frames_per_batch=pace.frames,
            received_seq=self._last_seq,
        )


def _is_layout_id(text: bytes) -> bool:
    return len(text) == LAYOUT_ID_BYTES
