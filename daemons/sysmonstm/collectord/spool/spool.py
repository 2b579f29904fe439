"""The spool: keeps frames on disk until they are acknowledged, whatever befalls disk, process and machine."""

from __future__ import annotations

from collections.abc import Sequence

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool import opening
from sysmonstm.collectord.spool.files import Directory
from sysmonstm.collectord.spool.layouts import Layouts
from sysmonstm.collectord.spool.reader import Reader
from sysmonstm.collectord.spool.recent import Recent
from sysmonstm.collectord.spool.segment import Segment
from sysmonstm.collectord.spool.store import Store
from sysmonstm.collectord.spool.stream import Stream
from sysmonstm.collectord.spool.trouble import Trouble
from sysmonstm.collectord.spool.words import Issued, Limits, Portion, SpoolState
from sysmonstm.metric import Layout


class Spool:
    """Frames in order of seq, by streams. For one thread; Outbox says what the methods do.

    Nothing here raises for what a disk refuses or gives back damaged: the frames that it costs are gaps, once they are
    not among the newest any more, which are in memory.
    """

    def __init__(self, directory: Directory, limits: Limits, boot: bytes) -> None:
        """`boot`: 16 bytes, others after each start of the machine."""
        self._directory = directory
        self._trouble = Trouble()
        self._layouts = Layouts()
        self._reader = Reader(directory, self._layouts)
        self._recent = Recent(self._dropped)
        found = opening.find(directory, boot)
        self._found_damaged = found.damaged
        self._trouble.damaged(found.damaged)
        self._store = Store(directory, limits, boot, found, self._trouble, self._going)

    @property
    def state(self) -> SpoolState:
        """How it fares."""
        return SpoolState(
            unacknowledged=sum(stream.waiting for stream in self._store.streams),
            bytes=self._store.bytes,
            shed=self._store.shed,
            damaged=self._found_damaged + self._reader.damaged + self._store.refused,
            unsynced=self._store.unsynced,
            failing=self._trouble.failing,
            streams=tuple(stream.state for stream in self._store.streams),
        )

    def limit(self, limits: Limits) -> None:
        """From the next frame on no more may be kept than this."""
        self._store.limit(limits)

    @property
    def needs_sync(self) -> bool:
        """Whether a power cut would take a frame that waits."""
        return self._store.needs_sync

    def append(self, time_us: int, layout: Layout, values: Sequence[float], events: Sequence[pb.Event] = ()) -> Issued:
        """A new frame of the current stream."""
        stream = self._store.current
        frame = pb.Frame(seq=stream.newest + 1, time_us=time_us, layout_id=layout.id, values=values, events=events)
        payload = frame.SerializeToString()
        self._layouts.add(layout)
        self._store.append(frame.seq, layout, payload)
        self._recent.add(stream.id, frame, len(payload))
        return Issued(stream.id, frame)

    def read(self, stream_id: bytes, after_seq: int, most_frames: int, most_bytes: int) -> Portion:
        """What comes after `after_seq`."""
        stream = self._stream(stream_id)
        if stream is None:
            return Portion()
        seq = max(after_seq, stream.acknowledged) + 1
        found = self._recent.portion(stream_id, seq, most_frames, most_bytes)
        # The disk may not have what is in memory.
        last = (self._recent.first_seq(stream_id) or stream.newest + 1) - 1
        if found is None and seq <= last:
            found = self._reader.portion(self._store.streams, stream, (seq, last), most_frames, most_bytes)
            self._trouble.damaged(self._reader.damaged)
        return found or Portion()

    def acknowledge(self, stream_id: bytes, seq: int) -> None:
        """Everything of the stream up to `seq` is settled."""
        stream = self._stream(stream_id)
        if stream is None or not self._store.acknowledge(stream, seq):
            return
        self._recent.forget(stream_id, stream.acknowledged)
        if all(one.settled for one in self._store.streams):
            self._trouble.drained()

    def layout(self, layout_id: bytes) -> Layout | None:
        """The layout of a frame that is here, or was of late."""
        return self._reader.find_layout(self._store.streams, layout_id)

    def time_of(self, stream_id: bytes, seq: int) -> int | None:
        """Frame.time_us of a frame that is still here, settled or not."""
        stream = self._stream(stream_id)
        if stream is None:
            return None
        frame = self._recent.get(stream_id, seq) or self._reader.get(self._store.streams, stream, seq)
        return None if frame is None else frame.time_us

    def rotate(self) -> None:
        """Begin a new stream; what waits stays in the one it is in."""
        self._store.rotate()

    def sync(self) -> None:
        """Return when what was appended would outlive a power cut, or cannot be made to."""
        self._store.sync()

    def close(self) -> None:
        """Sync and let go."""
        self._store.close()
        self._reader.close()
        self._directory.close()

    def _stream(self, stream_id: bytes) -> Stream | None:
        return next((stream for stream in self._store.streams if stream.id == stream_id), None)

    def _going(self, stream: Stream, segment: Segment) -> None:
        self._reader.forget(segment)
        if segment.holds_frames:
            self._recent.forget(stream.id, segment.last_seq)

    def _dropped(self, stream_id: bytes, seq: int) -> None:
        if stream := self._stream(stream_id):
            self._store.forgotten(stream, seq)
