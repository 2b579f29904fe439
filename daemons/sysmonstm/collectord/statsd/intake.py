"""Takes datagrams apart: a line goes into the aggregate, or is counted as refused and, if it is the first, logged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sysmonstm import logs
from sysmonstm.collectord.statsd.aggregate import Aggregate
from sysmonstm.collectord.statsd.complaints import Complaints
from sysmonstm.collectord.statsd.parse import parse
from sysmonstm.collectord.statsd.words import Reason, RefusedError
from sysmonstm.logs import printable

log = logs.logger(__name__)

# What clients put into a datagram is less, unless they are told to put in more.
MOST_DATAGRAM_BYTES = 8192
# Of a refused line so much is repeated.
TOLD_BYTES = 120


@dataclass(slots=True)
class Counts:
    """Since the start: lines taken, lines or whole datagrams refused, and seconds for which the socket was shut."""

    lines: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    shut_seconds: float = 0.0


class Intake:
    """Counts in `counts` what becomes of each line; `now` is monotonic, in seconds."""

    def __init__(self, aggregate: Aggregate) -> None:
        self.counts = Counts()
        self._aggregate = aggregate
        self._complaints = Complaints()

    def take(self, datagram: bytes, now: float) -> int:
        """How many lines there were in it."""
        if len(datagram) > MOST_DATAGRAM_BYTES:
            too_long = RefusedError(Reason.LENGTH, f"a datagram has at most {MOST_DATAGRAM_BYTES} bytes")
            self._refuse(too_long, datagram, now)
            return 1
        lines = [line for line in datagram.split(b"\n") if line]
        for line in lines:
            try:
                self._aggregate.take(parse(line), now)
            except RefusedError as error:
                self._refuse(error, line, now)
            else:
                self.counts.lines += 1
        return len(lines)

    def _refuse(self, error: RefusedError, line: bytes, now: float) -> None:
        self.counts.refused[error.reason] += 1
        if self._complaints.worth(error.reason, line, now):
            log.warning(
                "statsd.refused",
                f"a line of a local program is refused: {error}; more like it are counted in statsd.refused",
                reason=error.reason.value,
                line=printable(line[:TOLD_BYTES].decode("ascii", errors="backslashreplace")),
            )
