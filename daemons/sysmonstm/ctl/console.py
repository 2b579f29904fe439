"""What `up` says to the person who started it, and how that person interrupts it."""

from __future__ import annotations

import select
import signal
import socket
import time
from types import FrameType

STEP_SECONDS = 1.0


class Stopped(Exception):
    """SIGINT or SIGTERM has come."""


class Console:
    """Says what is being done once it takes longer than a second, and notices SIGINT and SIGTERM.

    Once it is made, the signals raise `Stopped`, and only from `pause`: never between starting a process and knowing
    of it, and never while things are being stopped.
    """

    def __init__(self) -> None:
        self._step = ""
        self._step_began = 0.0
        self._interrupted = False
        # Python writes to the one end on each signal, which wakes the `select` on the other.
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def say(self, sentence: str) -> None:
        """Print a line now."""
        print(sentence, flush=True)

    def step(self, sentence: str) -> None:
        """Name what is being done from now on; "" if it is nothing in particular."""
        self._step, self._step_began = sentence, time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait; `Stopped` as soon as one of the signals has come."""
        if not self._interrupted:
            select.select([self._woken], [], [], seconds)
        if self._interrupted:
            raise Stopped
        if self._step and time.monotonic() - self._step_began > STEP_SECONDS:
            self.say(f"{self._step} …")
            self._step = ""

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
