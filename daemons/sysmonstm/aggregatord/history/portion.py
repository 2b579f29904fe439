"""What one transaction writes, and how it is halved to find what the database refuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord import session
from sysmonstm.aggregatord.session import CheckedBatch, CheckedFrame, RejectedFrame, Session
from sysmonstm.metric import Layout

Item = CheckedFrame | RejectedFrame | pb.Gap


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch or a part of one, in order of seq: once it is committed, the stream is settled up to `last_seq`."""

    origin: CheckedBatch
    frames: Sequence[CheckedFrame]
    rejected: Sequence[RejectedFrame]
    gaps: Sequence[pb.Gap]
    last_seq: int
    # Time of the frame at last_seq in microseconds since 1970; 0 where that is a gap or was refused.
    last_time_us: int

    @classmethod
    def whole(cls, batch: CheckedBatch) -> Piece:
        """All of a batch."""
        return cls(batch, batch.frames, batch.rejected, batch.gaps, batch.last_seq, batch.last_time_us)

    @property
    def session(self) -> Session:
        """Whose it is."""
        return self.origin.session

    @property
    def layouts(self) -> Iterator[Layout]:
        """Those that its frames follow, mostly the same again and again."""
        yield from (one.layout for one in self.frames)
        yield from (one.layout for one in self.rejected if one.layout)

    @property
    def is_single(self) -> bool:
        """Whether there is nothing left to halve."""
        return len(self.frames) + len(self.rejected) + len(self.gaps) <= 1

    def halves(self) -> tuple[Piece, Piece]:
        """The earlier and the later half."""
        items: list[Item] = [*self.frames, *self.rejected, *self.gaps]
        items.sort(key=_last_seq)
        middle = len(items) // 2
        earlier, later = items[:middle], items[middle:]
        newest = earlier[-1]
        time_us = newest.frame.time_us if isinstance(newest, CheckedFrame) else 0
        return (
            _of(self.origin, earlier, _last_seq(newest), time_us),
            _of(self.origin, later, self.last_seq, self.last_time_us),
        )


def _last_seq(item: Item) -> int:
    return item.last_seq if isinstance(item, pb.Gap) else item.frame.seq


def _of(origin: CheckedBatch, items: Iterable[Item], last_seq: int, last_time_us: int) -> Piece:
    frames, rejected, gaps = [], [], []
    for item in items:
        if isinstance(item, CheckedFrame):
            frames.append(item)
        elif isinstance(item, RejectedFrame):
            rejected.append(item)
        else:
            gaps.append(item)
    return Piece(origin, frames, rejected, gaps, last_seq, last_time_us)


@dataclass(frozen=True, slots=True)
class Portion:
    """The work of one transaction. `skews` are seconds by which machines' clocks are ahead."""

    pieces: tuple[Piece, ...] = ()
    hellos: tuple[pb.Hello, ...] = ()
    skews: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_single(self) -> bool:
        """Whether there is nothing left to halve."""
        parts = len(self.pieces) + len(self.hellos) + bool(self.skews)
        return parts == 0 or (parts == 1 and all(piece.is_single for piece in self.pieces))

    def halves(self) -> tuple[Portion, Portion]:
        """Two that come to the same when they are committed one after the other: machines before their frames."""
        if self.pieces and (self.hellos or self.skews):
            return replace(self, pieces=()), Portion(self.pieces)
        if self.hellos and self.skews:
            return replace(self, skews={}), Portion(skews=self.skews)
        if len(self.hellos) > 1:
            middle = len(self.hellos) // 2
            return Portion(hellos=self.hellos[:middle]), Portion(hellos=self.hellos[middle:])
        if len(self.pieces) > 1:
            middle = len(self.pieces) // 2
            return Portion(self.pieces[:middle]), Portion(self.pieces[middle:])
        earlier, later = self.pieces[0].halves()
        return Portion((earlier,)), Portion((later,))

    def without(self, machine: str) -> Portion:
        """The same but for one machine's pieces."""
        return replace(self, pieces=tuple(one for one in self.pieces if one.session.machine != machine))


def refuse(piece: Piece, checked: CheckedFrame, reason: str) -> Piece:
    """The piece of a single frame, refused; its batch, too, has it among the rejected from now on."""
    refused = session.refused(checked.frame, checked.layout, reason)
    batch = piece.origin
    batch.frames = [one for one in batch.frames if one is not checked]
    batch.rejected = sorted([*batch.rejected, refused], key=_last_seq)
    if checked.frame.seq == batch.last_seq:
        batch.last_time_us = 0
    return Piece(batch, (), (refused,), (), piece.last_seq, 0)


def refuse_all(piece: Piece, reason: str) -> None:
    """The piece's batch has all of its frames among the rejected from now on."""
    for checked in piece.frames:
        refuse(piece, checked, reason)


def strip(piece: Piece, refused: RejectedFrame) -> Piece:
    """The piece of a single refused frame without what makes a row of it refused too."""
    frame = pb.Frame(seq=refused.frame.seq, time_us=refused.frame.time_us, events=refused.frame.events)
    return replace(piece, rejected=(replace(refused, frame=frame, layout=None),))


def empty(piece: Piece) -> Piece:
    """What is left of a piece that cannot be kept in any form: its stream goes on."""
    return Piece(piece.origin, (), (), (), piece.last_seq, 0)
