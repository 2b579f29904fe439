"""What waits to be written, and how much of it there is. Everything stays here until the commit that holds it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.aggregatord.history.identities import SKEW_SECONDS
from sysmonstm.aggregatord.history.portion import Piece, Portion
from sysmonstm.aggregatord.session import CheckedBatch

log = logs.logger(__name__)

MAX_ROWS_PER_COMMIT = 5000
MAX_HELLOS_PER_COMMIT = 1000
MAX_BYTES_PER_COMMIT = 16 * 1024 * 1024
# Beyond it the oldest is dropped: its machine is still met by its batches, but its collector learns of no cursor.
MAX_HELLOS = 10_000


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: CheckedBatch
    # As it came: frames that the database refuses leave the batch later.
    frames: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The oldest of what waits: a portion, and of what it is made."""

    portion: Portion
    batches: int
    hellos: Mapping[bytes, pb.Hello]


class Pending:
    """Batches in the order in which they came, the newest hello of each stream, the newest skew of each machine."""

    def __init__(self) -> None:
        self._batches: deque[_Waiting] = deque()
        self._hellos: dict[bytes, pb.Hello] = {}
        self._skews: dict[str, float] = {}
        # As the database has them, as far as is known.
        self._stored_skews: dict[str, float] = {}
        self._said_dropped = False
        self.frames = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        """Whether something waits that is worth a commit; a skew goes with the next."""
        return bool(self._batches or self._hellos)

    def offer(self, batch: CheckedBatch) -> None:
        """Bounded by its caller, who asks HistoryWriter.takes_more."""
        self._batches.append(_Waiting(batch, len(batch.frames)))
        self.frames += len(batch.frames)
        self.bytes += batch.size_bytes

    def hello(self, hello: pb.Hello) -> None:
        """Two hosts under one name have two streams, and both are answered."""
        self._hellos.pop(hello.stream, None)
        self._hellos[hello.stream] = hello
        if len(self._hellos) > MAX_HELLOS:
            del self._hellos[next(iter(self._hellos))]
            if not self._said_dropped:
                self._said_dropped = True
                log.warning("hello.dropped", f"more than {MAX_HELLOS} machines wait to be introduced to the database")

    def skew(self, machine: str, seconds: float) -> None:
        """By how much a machine's clock is ahead; kept if it is not about what is stored."""
        stored = self._stored_skews.get(machine)
        if stored is None or abs(seconds - stored) > SKEW_SECONDS:
            self._skews[machine] = seconds
        else:
            self._skews.pop(machine, None)

    def forget_stored(self, machines: Iterable[str] | None = None) -> None:
        """What the database has of these machines, or of all, is no longer known."""
        for machine in list(self._stored_skews) if machines is None else machines:
            self._stored_skews.pop(machine, None)

    def take(self) -> Taken:
        """The oldest, enough for one commit; it stays here until `done`."""
        pieces: list[Piece] = []
        rows = size = 0
        for waiting in self._batches:
            pieces.append(Piece.whole(waiting.batch))
            rows += waiting.frames
            size += waiting.batch.size_bytes
            if rows >= MAX_ROWS_PER_COMMIT or size >= MAX_BYTES_PER_COMMIT:
                break
        # A batch never goes before the hello that came before it.
        streams = (piece.session.stream for piece in pieces)
        hellos = {stream: hello for stream in streams if (hello := self._hellos.get(stream))}
        hellos |= islice(self._hellos.items(), MAX_HELLOS_PER_COMMIT)
        return Taken(Portion(tuple(pieces), tuple(hellos.values()), dict(self._skews)), len(pieces), hellos)

    def answered(self, taken: Taken) -> None:
        """The hellos of what was taken are written."""
        for stream, hello in taken.hellos.items():
            if self._hellos.get(stream) is hello:
                del self._hellos[stream]

    def done(self, taken: Taken) -> list[CheckedBatch]:
        """All that was taken is written; its batches, in order."""
        self.answered(taken)
        for machine, seconds in taken.portion.skews.items():
            self._stored_skews[machine] = seconds
            if self._skews.get(machine) == seconds:
                del self._skews[machine]
        settled = [self._batches.popleft() for _ in range(taken.batches)]
        self.frames -= sum(one.frames for one in settled)
        self.bytes -= sum(one.batch.size_bytes for one in settled)
        return [one.batch for one in settled]
