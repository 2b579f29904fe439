"""What may be sent of one stream on one call, and what an Ack of it is worth: decides, and waits for nothing."""

from __future__ import annotations

from collections import deque

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.words import Portion

# Large enough to replay quickly, small enough for one message: 500 frames of 1,000 values are 2 MB.
MAX_BATCH_FRAMES = 500
MAX_BATCH_BYTES = 2 * 1024 * 1024
# What was written so long ago, and nothing came of it since, has vanished on the way. A slow connection brings the
# largest batch in that time.
STALL_SECONDS = 30.0


class DurableLane:
    """One call's view of a stream: what was sent on it and is not acknowledged, and how much more may be."""

    def __init__(self, stream: bytes, welcome: pb.Welcome) -> None:
        """`welcome` says how many batches the aggregator lets be unacknowledged, and how large they may be."""
        self.stream = stream
        # Up to here everything was put into batches, was taken by the connection, and is settled.
        self.sent_seq = 0
        self._written_seq = 0
        # The newest frame, not gap, that was put into a batch, and that was taken by the connection.
        self._sent_frame = 0
        self._written_frame = 0
        self._settled_seq = 0
        # What the aggregator has, and when that last grew or was all that was written, in monotonic seconds.
        self._received_seq = 0
        self._moved_at = 0.0
        self._window = welcome.window
        self._frames_per_batch = welcome.frames_per_batch
        # The last seq of each batch that is sent and not acknowledged.
        self._unacknowledged: deque[int] = deque()

    @property
    def window_is_open(self) -> bool:
        """Whether the aggregator takes batches at all for now."""
        return self._window > 0

    @property
    def most_frames(self) -> int:
        """How many frames the next batch may have; 0 while it may not be sent."""
        if len(self._unacknowledged) >= self._window:
            return 0
        return min(self._frames_per_batch or MAX_BATCH_FRAMES, MAX_BATCH_FRAMES)

    def batch(self, portion: Portion, sent_us: int) -> pb.Batch | None:
        """What comes after `sent_seq`, as a batch that counts as sent from now on; None if that is nothing."""
        if not portion.last_seq:
            return None
        self.sent_seq = portion.last_seq
        if portion.frames:
            self._sent_frame = portion.frames[-1].seq
        self._unacknowledged.append(self.sent_seq)
        return pb.Batch(frames=portion.frames, gaps=portion.gaps, sent_us=sent_us)

    def acknowledge(self, ack: pb.Ack) -> int:
        """The aggregator has settled everything up to a seq, and says how much more it takes; what of that to believe.

        Only what was sent on this call can have been settled by it: of what an old copy of a spool issues anew, the
        aggregator may have settled other frames of the same seqs.
        """
        self._window, self._frames_per_batch = ack.window, ack.frames_per_batch
        self._settled_seq = max(self._settled_seq, min(ack.durable_seq, self.sent_seq))
        while self._unacknowledged and self._unacknowledged[0] <= self._settled_seq:
            self._unacknowledged.popleft()
        return self._settled_seq

    def written(self, now: float) -> None:
        """The last batch has left: the connection has taken it, at `now` in monotonic seconds."""
        if self._received_seq >= self._written_seq:
            self._moved_at = now
        self._written_seq, self._written_frame = self.sent_seq, self._sent_frame

    @property
    def written_frame(self) -> int:
        """Seq of the newest frame that has left; of a gap only its loss has."""
        return self._written_frame

    def has_stalled(self, ack: pb.Ack, now: float) -> bool:
        """Whether what was written has not come, and nothing of it for long; at `now` in monotonic seconds."""
        if ack.received_seq > self._received_seq:
            self._received_seq = ack.received_seq
            self._moved_at = now
        return self._received_seq < self._written_seq and now - self._moved_at > STALL_SECONDS

    def is_behind(self, stream: bytes, seq: int) -> bool:
        """Whether this frame has yet to leave here, so that the live lane must show it."""
        return stream != self.stream or seq > self._written_frame
