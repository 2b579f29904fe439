"""Keeps a machine that tells of too many events from filling the database: takes what is too much out of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.aggregatord.session import CheckedBatch

log = logs.logger(__name__)

# Of each machine so many are stored a minute, for as long as it likes,
EVENTS_PER_MINUTE = 120
# and so many at once: what it has kept while it could not reach the hub.
BURST = 3000
# How often history is told how many were dropped.
TELL_SECONDS = 60.0
# With more machines, those that have been quiet for long are forgotten.
MAX_MACHINES = 10_000


@dataclass(slots=True)
class _Allowance:
    """What a machine may still tell, as of `at` (monotonic seconds); and what was dropped and not told of."""

    events: float
    at: float
    untold: int = 0
    told_at: float | None = None
    # How far its stream has come.
    stream: bytes = b""
    last_seq: int = 0

    def is_news(self, stream: bytes, seq: int) -> bool:
        """Whether it has not come before: what comes again was stored, or counted, the first time."""
        return stream != self.stream or seq > self.last_seq

    def came(self, stream: bytes, last_seq: int) -> None:
        self.last_seq = max(last_seq, self.last_seq) if stream == self.stream else last_seq
        self.stream = stream

    def refill(self, now: float) -> None:
        self.events = min(BURST, self.events + (now - self.at) * EVENTS_PER_MINUTE / 60)
        self.at = now

    def is_due(self, now: float) -> bool:
        """Whether it is time to tell."""
        return bool(self.untold) and (self.told_at is None or now - self.told_at >= TELL_SECONDS)

    @property
    def is_fresh(self) -> bool:
        """Whether one that is made anew would be the same."""
        return self.events >= BURST and not self.untold


class Storms:
    """One for all machines; it starts anew with the process."""

    def __init__(self) -> None:
        self._machines: dict[str, _Allowance] = {}
        # Events that were dropped, of all machines.
        self.dropped = 0

    def thin(self, batch: CheckedBatch, now: float) -> None:
        """Take the last of its events out of a batch where they are too many; `now` in monotonic seconds.

        The batch says from time to time how many were dropped.
        """
        machine, stream = batch.session.machine, batch.session.stream
        known = self._machines.get(machine)
        for frame in _telling(batch):
            known = known or self._meet(machine, now)
            known.refill(now)
            kept = min(len(frame.events), int(known.events))
            known.events -= kept
            if too_many := len(frame.events) - kept:
                if known.is_news(stream, frame.seq):
                    self._drop(machine, known, too_many)
                del frame.events[kept:]
        if known:
            # With a batch that comes again history would skip the count.
            if known.is_news(stream, batch.last_seq) and known.is_due(now):
                batch.dropped_events, known.untold, known.told_at = known.untold, 0, now
            known.came(stream, batch.last_seq)

    def _meet(self, machine: str, now: float) -> _Allowance:
        if len(self._machines) >= MAX_MACHINES:
            for one in self._machines.values():
                one.refill(now)
            self._machines = {name: one for name, one in self._machines.items() if not one.is_fresh}
        self._machines[machine] = made = _Allowance(BURST, now)
        return made

    def _drop(self, machine: str, known: _Allowance, count: int) -> None:
        if known.told_at is None and not known.untold:
            log.warning(
                "events.dropped",
                f"{machine} tells of more than {EVENTS_PER_MINUTE} events a minute: the rest is dropped; said once",
                machine=machine,
            )
        self.dropped += count
        known.untold += count


def _telling(batch: CheckedBatch) -> Iterator[pb.Frame]:
    """The frames of the batch whose events would be stored, in order of seq."""
    rejected = [one.frame for one in batch.rejected if one.keeps_events]
    frames = [one.frame for one in batch.frames if one.frame.events]
    yield from sorted([*frames, *rejected], key=lambda frame: frame.seq) if rejected else frames
