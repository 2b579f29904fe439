"""What the hub sees of machines now: who they are, what their clocks show, and their newest samples."""

from __future__ import annotations

from typing import Protocol

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus
from sysmonstm.aggregatord import clocks
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.session import CheckedBatch, CheckedFrame


class History(Protocol):
    """What keeps frames for good, and says how much it can take."""

    def hello(self, hello: pb.Hello) -> None:
        """A machine has introduced itself."""
        ...

    def offer(self, batch: CheckedBatch) -> None:
        """Commit a batch as soon as may be, and then have `IngestService.settled` called."""
        ...

    def skew(self, machine: str, seconds: float) -> None:
        """By how much a machine's clock is ahead of this one's."""
        ...

    def takes_more(self, now: float) -> bool:
        """Whether collectors should send more at time `now` (monotonic seconds)."""
        ...


class Sightings:
    """Passes on what is seen. Times are in microseconds since 1970; `now_us` is by the hub's clock."""

    def __init__(self, live: LivePublisher, history: History) -> None:
        self._live = live
        self._history = history

    def meet(self, hello: pb.Hello) -> None:
        """A machine has introduced itself."""
        self._live.hello(hello)
        self._history.hello(hello)

    def clock(self, machine: str, sent_us: int, now_us: int) -> int | None:
        """A machine's clock showed `sent_us` as it sent what came now; returns its skew, None for a time of 0."""
        skew = clocks.skew_us(sent_us, now_us)
        if skew is not None:
            self._history.skew(machine, skew / 1e6)
        return skew

    def durable(self, hello: pb.Hello, newest: CheckedFrame, skew_us: int | None, now_us: int) -> None:
        """Show a frame of the durable lane, unless it is a replay.

        What is replayed is for history: the live lane shows the newest meanwhile. This hub may know nothing of that,
        where the collector has just come over from another one.
        """
        age_us = now_us - clocks.taken_us(newest.frame.time_us, skew_us, now_us)
        if age_us <= bus.Machine(hello).patience_seconds * 1e6:
            self.show(hello, newest, skew_us, now_us)

    def show(self, hello: pb.Hello, newest: CheckedFrame, skew_us: int | None, now_us: int) -> None:
        """Show a frame, unless a newer one is shown."""
        if not self._live.knows(hello.machine):
            # It was forgotten, and lives.
            self.meet(hello)
        self._live.frame(
            hello.machine,
            hello.stream,
            newest.layout,
            newest.frame,
            now_us,
            skew_us=skew_us or 0,
            taken_us=clocks.taken_us(newest.frame.time_us, skew_us, now_us),
        )
