"""Reads the metrics socket, for a small share of one CPU at most, whatever is sent to it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path

from sysmonstm import logs, service
from sysmonstm.collectord.allowance import Allowance
from sysmonstm.collectord.statsd import valve
from sysmonstm.collectord.statsd.aggregate import Aggregate
from sysmonstm.collectord.statsd.intake import MOST_DATAGRAM_BYTES, Counts, Intake

log = logs.logger(__name__)

# Of one CPU; and seconds of it that can be saved up for a burst, some twenty thousand lines.
SHARE = 0.03
SAVED_SECONDS = 0.1
# The socket stays shut until so many seconds of CPU are saved up again.
RESUME_SECONDS = 0.01
# CPU seconds that being woken costs, beside what can be measured here.
WAKING_SECONDS = 20e-6
# Then the event loop has its turn: some 2 ms.
LINES_AT_ONCE = 400
DATAGRAMS_AT_ONCE = 100
# Where much comes, it is let gather for so long, as being woken costs more than a line. Only where the kernel queues so
# many datagrams (systemd makes it 512) that no sender has to wait for that.
GATHER_SECONDS = 0.05
LONG_QUEUE = 256
QUEUE = Path("/proc/sys/net/unix/max_dgram_qlen")
# While nothing comes, so often the loop says that it is alive.
BEAT_SECONDS = 3.0
# A flood is told of once in so long.
TELL_SECONDS = 3600.0


class Receiver:
    """Owns what happens on a bound datagram socket, not the socket: it may have been handed over."""

    def __init__(self, sock: socket.socket, aggregate: Aggregate, cpu: Callable[[], float] = time.thread_time) -> None:
        """`cpu` says how many seconds of CPU this thread has had."""
        sock.setblocking(False)
        self._socket = sock
        self._intake = Intake(aggregate)
        self._cpu = cpu
        self._allowance = Allowance(SHARE, SAVED_SECONDS, time.monotonic())
        self._gathers = _queue_is_long()
        self._read_at = 0.0
        self._shut_at: float | None = None
        self._told_at = -TELL_SECONDS
        self._failed: asyncio.Future[None] | None = None
        self._listening: asyncio.TimerHandle | None = None

    def counts(self) -> Counts:
        """As they are now; any thread may ask."""
        return self._intake.counts

    async def run(self, manager: service.Service) -> None:
        """Read until cancelled."""
        self._failed = asyncio.get_running_loop().create_future()
        # A process that was killed may have left it shut: the service manager keeps the socket, and with it the filter.
        valve.unshut(self._socket)
        self._listen()
        try:
            while not self._failed.done():
                manager.beat("statsd", 5.0)
                await asyncio.wait([self._failed], timeout=BEAT_SECONDS)
            self._failed.result()
        finally:
            asyncio.get_running_loop().remove_reader(self._socket)
            if self._listening:
                self._listening.cancel()
            valve.unshut(self._socket)

    def _listen(self) -> None:
        if self._shut_at is not None:
            valve.unshut(self._socket)
            self.counts().shut_seconds += time.monotonic() - self._shut_at
            self._shut_at = None
        asyncio.get_running_loop().add_reader(self._socket, self._on_readable)

    def _listen_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._listening = loop.call_later(seconds, self._listen)

    def _on_readable(self) -> None:
        try:
            self._read(time.monotonic())
        except Exception as error:  # noqa: BLE001 - a defect: it ends `run`, and with it the daemon
            asyncio.get_running_loop().remove_reader(self._socket)
            if self._failed and not self._failed.done():
                self._failed.set_exception(error)

    def _read(self, now: float) -> None:
        started = self._cpu()
        emptied = self._read_some(now)
        self._allowance.spend(self._cpu() - started + WAKING_SECONDS)
        often, self._read_at = now - self._read_at < GATHER_SECONDS, now
        if self._allowance.left(now) < 0:
            self._shut(now)
        elif often and emptied and self._gathers:
            self._listen_in(GATHER_SECONDS)

    def _read_some(self, now: float) -> bool:
        """Whether that was all."""
        lines = 0
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                datagram = self._socket.recv(MOST_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return True
            lines += self._intake.take(datagram, now)
            if lines >= LINES_AT_ONCE:
                break
        return False

    def _shut(self, now: float) -> None:
        """Until there is CPU for it again. Where the kernel cannot, senders wait meanwhile, a moment each time."""
        self._shut_at = now
        valve.shut(self._socket)
        self._listen_in((RESUME_SECONDS - self._allowance.left(now)) / SHARE)
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.warning(
                "statsd.flooded",
                "local programs send more metrics than there is time to read; some are thrown away, and statsd.shed "
                "says for how much of the time",
            )


def _queue_is_long() -> bool:
    try:
        return int(QUEUE.read_text()) >= LONG_QUEUE
    except (OSError, ValueError):
        return False
