"""Carries samples to an aggregator, whichever answers: into the outbox first, and on from there for ever."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.backoff import full_jitter
from sysmonstm.collectord.addresses import Addresses
from sysmonstm.collectord.calls import DisconnectedError, channel_to
from sysmonstm.collectord.connection import Connection
from sysmonstm.collectord.durable import Tally
from sysmonstm.collectord.live import Newest
from sysmonstm.collectord.pulse import UNWATCHED, Pulse
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Issued
from sysmonstm.collectord.trust import Trust, in_plain_words
from sysmonstm.metric import Layout

log = logs.logger(__name__)

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 60.0
# A connection that held this long was a good one, whether or not it settled anything.
STEADY_SECONDS = 60.0
FLUSH_POLL_SECONDS = 0.02
RENEWED = "this collector introduces itself anew"
# A disk that takes longer to write a sample is taken to hang.
DISK_PATIENCE_SECONDS = 0.25


class Uplink:
    """One collector's way to its aggregators: `offer` each sample while `run` runs.

    `hello` is a template: its stream is filled in. `connected_to` is the address of now, empty while there is none.
    """

    def __init__(
        self,
        hello: pb.Hello,
        addresses: Sequence[str],
        outbox: Outbox,
        rng: random.Random,
        pulse: Pulse = UNWATCHED,
        trust: Trust | None = None,
    ) -> None:
        self._hello = hello
        self._trust = trust
        self._addresses = Addresses(addresses)
        self._outbox = outbox
        self._rng = rng
        self._pulse = pulse
        # Set when hello, addresses or trust are others than those of the connection of now.
        self._renewed = asyncio.Event()
        self._tally = Tally()
        self._newest: Newest | None = None
        # Stream and seq of the frame that was last given to the outbox, which may yet have to write it.
        self._place = (b"", 0)
        self._connection: Connection | None = None
        # Tries that failed since the last good connection.
        self._failures = 0
        self._said_away = False
        self._said_meaning = ""
        self.connected_to = ""

    @property
    def refused(self) -> int:
        """How many frames aggregators have refused."""
        return self._tally.refused

    @property
    def on_acknowledged(self) -> Callable[[bytes, int], None] | None:
        """Told (stream, seq) each time everything of a stream up to a seq is settled and forgotten here."""
        return self._tally.on_acknowledged

    @on_acknowledged.setter
    def on_acknowledged(self, told: Callable[[bytes, int], None] | None) -> None:
        self._tally.on_acknowledged = told

    async def offer(
        self, time_us: int, layout: Layout, values: Sequence[float], events: Sequence[pb.Event] = ()
    ) -> Issued:
        """A sample has been taken: spool it, and send it as soon as may be; returns once it is written.

        A disk that hangs holds up only that: the sample is shown live meanwhile. It will be numbered as it is shown,
        as the outbox numbers frames in the order in which they come.
        """
        stream, seq = self._next_place()
        loop = asyncio.get_running_loop()
        patience = loop.call_later(DISK_PATIENCE_SECONDS, self._show_unwritten, stream, seq, time_us, layout, values)
        try:
            issued = await self._outbox.append(time_us, layout, values, events)
        finally:
            patience.cancel()
        self._show(Newest(issued.stream, issued.frame, layout))
        return issued

    def renew(self, hello: pb.Hello, addresses: Sequence[str], trust: Trust | None = None) -> None:
        """Introduce this collector so, to these, from now on; a connection that is not so is made anew."""
        new = Addresses(addresses)
        if (hello, new, trust) == (self._hello, self._addresses, self._trust):
            return
        self._hello, self._addresses, self._trust, self._failures = hello, new, trust, 0
        self._renewed.set()
        if self._connection:
            self._connection.hang_up(RENEWED)

    async def flush(self) -> None:
        """Wait until everything is acknowledged, or until no aggregator takes more for now."""
        while self._outbox.unacknowledged and self._takes_more():  # noqa: ASYNC110 - several things may end it
            await asyncio.sleep(FLUSH_POLL_SECONDS)

    async def run(self) -> None:
        """Stay connected, for ever."""
        while True:
            self._renewed.clear()
            addresses, started, settlements = self._addresses, time.monotonic(), self._tally.settlements
            try:
                # As long as it holds; what is done meanwhile are loops of their own.
                with self._pulse.waits("uplink", at_most=math.inf):
                    await self._connected(addresses.next)
            except DisconnectedError as error:
                _heed_cancellation()
                if not self._renewed.is_set():
                    self._say_away(addresses.next, str(error))
            steady = bool(self.connected_to) and time.monotonic() - started > STEADY_SECONDS
            # After a good connection the next try starts from the shortest wait again.
            was_good = steady or self._tally.settlements > settlements
            self.connected_to, self._connection = "", None
            addresses.failed(was_good)
            self._failures = 0 if was_good else self._failures + 1
            await self._back_off(self._failures // len(addresses))

    async def _back_off(self, attempt: int) -> None:
        """Wait before the next try; one round of all addresses is one attempt, so that the next is tried at once."""
        seconds = full_jitter(attempt, BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, self._rng)
        with self._pulse.waits("uplink", at_most=seconds + 1.0):
            try:
                async with asyncio.timeout(seconds):
                    await self._renewed.wait()
            except TimeoutError:
                return

    def _say_away(self, address: str, reason: str) -> None:
        """Say it when a connection is lost, if there never was one, and when TLS is what is in the way."""
        meaning = in_plain_words(reason, address, self._trust)
        if self.connected_to or not self._said_away or meaning not in ("", self._said_meaning):
            self._said_away, self._said_meaning = True, meaning
            log.warning(
                "uplink.away",
                f"the aggregator at {address} does not take samples; they wait here",
                address=address,
                reason=f"{meaning} ({reason})" if meaning else reason,
            )

    def _next_place(self) -> tuple[bytes, int]:
        """The stream and the seq of the frame that is given to the outbox next."""
        stream = self._outbox.current_stream
        given = self._place[1] if self._place[0] == stream else 0
        self._place = stream, max(given, self._outbox.newest_seq(stream)) + 1
        return self._place

    def _show_unwritten(self, stream: bytes, seq: int, time_us: int, layout: Layout, values: Sequence[float]) -> None:
        frame = pb.Frame(seq=seq, time_us=time_us, layout_id=layout.id, values=values)
        self._show(Newest(stream, frame, layout))

    def _show(self, newest: Newest) -> None:
        before = self._newest
        # What is written after it was shown is not the newest any more.
        if before is None or before.stream != newest.stream or before.frame.seq <= newest.frame.seq:
            self._newest = before = newest
        if self._connection:
            self._connection.offer(before)

    def _takes_more(self) -> bool:
        return bool(self.connected_to) and self._connection is not None and self._connection.window_is_open

    async def _connected(self, address: str) -> None:
        """Connect and send until it breaks, which raises DisconnectedError."""
        async with channel_to(address, self._trust) as stub:
            self._connection = Connection(stub, self._hello, self._outbox, self._tally, self._pulse)
            if self._newest:
                self._connection.offer(self._newest)
            if self._renewed.is_set():
                self._connection.hang_up(RENEWED)
            await self._connection.run(lambda: self._welcomed(address))

    def _welcomed(self, address: str) -> None:
        self.connected_to = address
        log.info("uplink.connected", f"the aggregator at {address} takes samples", address=address)


def _heed_cancellation() -> None:
    """Raise CancelledError if this task was asked to end.

    A TaskGroup (of Python 3.11) whose tasks fail just then raises their errors, and forgets that it was cancelled.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
