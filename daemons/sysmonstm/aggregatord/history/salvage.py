"""Keeps one frame that the database refuses from holding up all others: halves until it is alone, and refuses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.aggregatord.history import portion as portions
from sysmonstm.aggregatord.history.commit import Committed
from sysmonstm.aggregatord.history.portion import Piece, Portion
from sysmonstm.aggregatord.history.transactions import RefusedError, Transactions

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class _Part:
    portion: Portion
    # The streams whose cursors are wanted, as they are before any of it.
    asked: Sequence[bytes] = ()


class Salvage:
    """Commits portions, and counts what could not be kept."""

    def __init__(self) -> None:
        self.refused_frames = 0
        # Machines of which the log has said that something of theirs is refused.
        self._told: set[str] = set()

    async def commit(
        self, transactions: Transactions, portion: Portion, asked: Sequence[bytes]
    ) -> AsyncIterator[Committed]:
        """Commit a portion in as few transactions as may be; what each has brought.

        Those of its frames that are refused move to their batch's rejected. Rises as Transactions.write does, but for
        RefusedError; what was yielded before is committed.
        """
        left = [_Part(portion, asked)]
        while left:
            part = left.pop()
            whole = transactions.introduce(part.portion)
            try:
                yield await transactions.write(whole, part.asked)
            except RefusedError as refusal:
                if whole.is_single:
                    left.append(_Part(self._lessen(whole, str(refusal), left), part.asked))
                else:
                    earlier, later = whole.halves()
                    left += (_Part(later), _Part(earlier, part.asked))

    def _lessen(self, part: Portion, reason: str, left: list[_Part]) -> Portion:
        """What to write in place of a single thing that is refused."""
        if part.pieces:
            return self._lessen_piece(part.pieces[0], reason)
        if part.hellos:
            return self._lessen_hello(part.hellos[0], reason, left)
        log.error("skew.dropped", "the database refuses how far clocks are ahead", reason=reason)
        return Portion()

    def _lessen_piece(self, piece: Piece, reason: str) -> Portion:
        self._tell(piece.session.machine, reason)
        if piece.frames:
            self.refused_frames += 1
            return Portion((portions.refuse(piece, piece.frames[0], reason),))
        if piece.rejected and piece.rejected[0].layout:
            return Portion((portions.strip(piece, piece.rejected[0]),))
        if piece.rejected or piece.gaps:
            log.error(
                "samples.dropped",
                "the database refuses even the note that samples are lost",
                machine=piece.session.machine,
                seq=piece.last_seq,
                reason=reason,
            )
            return Portion((portions.empty(piece),))
        return Portion()

    def _lessen_hello(self, hello: pb.Hello, reason: str, left: list[_Part]) -> Portion:
        """In the end there is nothing in its place, and what its machine sends has nowhere to go."""
        self._tell(hello.machine, reason)
        if hello.facts or hello.agent_version or hello.tags:
            bare = pb.Hello(machine=hello.machine, stream=hello.stream, interval_seconds=hello.interval_seconds)
            return Portion(hellos=(bare,))
        log.error("machine.dropped", "the database refuses a machine altogether", machine=hello.machine, reason=reason)
        for number, part in enumerate(left):
            for piece in part.portion.pieces:
                if piece.session.machine == hello.machine:
                    self.refused_frames += len(piece.frames)
                    portions.refuse_all(piece, reason)
            left[number] = _Part(part.portion.without(hello.machine), part.asked)
        return Portion()

    def _tell(self, machine: str, reason: str) -> None:
        if machine not in self._told:
            self._told.add(machine)
            log.warning("database.refused", "the database refuses what a machine sends", machine=machine, reason=reason)
