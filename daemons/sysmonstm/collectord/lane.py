"""What to send on the durable lane, and whether the live lane is needed: decides, and waits for nothing."""

from __future__ import annotations

from collections import deque

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.backlog import Backlog

# Large enough to replay quickly, small enough for one message: 500 frames of 1,000 values are 2 MB.
MAX_BATCH_FRAMES = 500
MAX_BATCH_BYTES = 2 * 1024 * 1024


class DurableLane:
    """One connection's view of the backlog: what was sent on it and is not acknowledged, and how much more may be."""

    def __init__(self, backlog: Backlog, window: int) -> None:
        """`window` is how many batches the aggregator lets be unacknowledged."""
        self._backlog = backlog
        self._window = window
        self._sent_seq = 0
        self._written_seq = 0
        # The last seq of each batch that is sent and not acknowledged.
        self._unacknowledged: deque[int] = deque()

    def next_batch(self) -> pb.Batch | None:
        """The next frames to send, which count as sent from now on; None if there are none or the window is shut."""
        if len(self._unacknowledged) >= self._window:
            return None
        frames = _fitting(self._backlog.after(self._sent_seq, MAX_BATCH_FRAMES))
        if not frames:
            return None
        self._sent_seq = frames[-1].seq
        self._unacknowledged.append(self._sent_seq)
        return pb.Batch(frames=frames)

    def acknowledge(self, ack: pb.Ack) -> None:
        """The aggregator has settled everything up to a seq, and says how much more it takes."""
        self._window = ack.window
        self._backlog.acknowledge(ack.durable_seq)
        while self._unacknowledged and self._unacknowledged[0] <= ack.durable_seq:
            self._unacknowledged.popleft()

    def written(self) -> None:
        """The last batch has left: the connection has taken it."""
        self._written_seq = self._sent_seq

    def is_behind(self, newest: int) -> bool:
        """Whether the frame of this seq has yet to leave here, so that the live lane must show it."""
        return newest > self._written_seq


def _fitting(frames: list[pb.Frame]) -> list[pb.Frame]:
    """The first of `frames` that go into one message; at least one."""
    size, count = 0, 0
    for frame in frames:
        size += frame.ByteSize()
        if count and size > MAX_BATCH_BYTES:
            break
        count += 1
    return frames[:count]
