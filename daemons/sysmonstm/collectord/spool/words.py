"""What goes into the spool and comes out of it, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bytes the spool may have, and how many must stay free in its file system: beyond, the oldest is shed."""

    most_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A frame that has its number, and the stream which that number belongs to."""

    stream: bytes
    frame: pb.Frame


@dataclass(slots=True)
class Portion:
    """Frames of one stream and the gaps between them, each in order of seq, together leaving no seq out."""

    frames: list[pb.Frame] = field(default_factory=list)
    gaps: list[pb.Gap] = field(default_factory=list)

    @property
    def last_seq(self) -> int:
        """The last seq that it speaks of; 0 if it is empty."""
        return max(self.frames[-1].seq if self.frames else 0, self.gaps[-1].last_seq if self.gaps else 0)


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far a stream is: the newest seq given out, and up to where everything is settled."""

    stream: bytes
    acknowledged_seq: int
    newest_seq: int

    @property
    def settled(self) -> bool:
        """Whether nothing of it waits."""
        return self.acknowledged_seq >= self.newest_seq

    def acknowledged(self, seq: int) -> StreamState:
        """The same with everything up to `seq` settled, but never more than was given out."""
        seq = min(seq, self.newest_seq)
        return StreamState(self.stream, seq, self.newest_seq) if seq > self.acknowledged_seq else self


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How the spool fares.

    `unacknowledged` frames wait, as far as is known; they are in `bytes` of files. `shed` and `damaged` frames were
    found to be lost since it was opened: no room for them, or no way to write or read them. `unsynced` frames a power
    cut would take. `failing` is whether the last write, sync or delete failed. `streams` are those with something to
    settle, oldest first, and the current one, always last.
    """

    unacknowledged: int
    bytes: int
    shed: int
    damaged: int
    unsynced: int
    failing: bool
    streams: tuple[StreamState, ...]
