"""A stream as the spool knows it: how far it is, what is lost of it, and the segments that hold the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.gaps import Gaps
from sysmonstm.collectord.spool.segment import Segment
from sysmonstm.collectord.spool.words import StreamState


@dataclass(slots=True)
class Stream:
    """`acknowledged` is up to where it is settled, `newest` the newest seq given out; segments are oldest first.

    `unwritten` is what the disk did not take, and why. It is in memory yet, and lost only when it is there no more.
    """

    id: bytes
    acknowledged: int = 0
    newest: int = 0
    gaps: Gaps = field(default_factory=Gaps)
    unwritten: Gaps = field(default_factory=Gaps)
    segments: list[Segment] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether nothing of it waits, neither frames nor gaps."""
        return self.acknowledged >= self.newest

    @property
    def waiting(self) -> int:
        """How many frames wait, as far as is known."""
        return max(0, self.newest - self.acknowledged - self.gaps.seqs)

    @property
    def state(self) -> StreamState:
        """For those who ask."""
        return StreamState(self.id, self.acknowledged, self.newest)

    def acknowledge(self, seq: int) -> bool:
        """Everything up to `seq` is settled, but never more than was given out; whether that is news."""
        seq = min(seq, self.newest)
        if seq <= self.acknowledged:
            return False
        self.acknowledged = seq
        self.gaps.forget(seq)
        self.unwritten.forget(seq)
        return True

    def lose(self, first: int, last: int, reason: pb.GapReason) -> int:
        """What of `first` to `last` is not settled is lost; how many of these are news."""
        first = max(first, self.acknowledged + 1)
        return self.gaps.add(first, last, reason) if first <= last else 0

    def take_unwritten(self, seq: int) -> list[pb.Gap]:
        """What was unwritten up to `seq`; it is no more."""
        taken = self.unwritten.within(1, seq)
        self.unwritten.forget(seq)
        return taken

    def lost_with(self, segment: Segment) -> list[pb.Gap]:
        """What would be lost if the segment were shed."""
        first, last = max(segment.header.first_seq, self.acknowledged + 1), segment.last_seq
        return [pb.Gap(first_seq=first, last_seq=last, reason=pb.GAP_REASON_SHED)] if first <= last else []

    def index_of(self, seq: int) -> int:
        """Which segment holds `seq`, or would if it were here: the last that begins no later, else the first."""
        later = (number for number, one in enumerate(self.segments) if one.header.first_seq > seq)
        return max(0, next(later, len(self.segments)) - 1)
