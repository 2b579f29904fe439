"""What a daemon tells its service manager: READY, STATUS, RELOADING, WATCHDOG, STOPPING; and what its loops promise.

Outside systemd (no NOTIFY_SOCKET) the notifications do nothing and everything still runs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sysmonstm import __version__, handed, logs
from sysmonstm.beats import Beats, Loop
from sysmonstm.config import UserError
from sysmonstm.notifications import Notifier, status

log = logs.logger(__name__)

# How often the loops are looked at.
LOOK_SECONDS = 1.0


class Service:
    """What a running daemon tells its service manager, and what it promises."""

    def __init__(self) -> None:
        self._notifier = Notifier()
        meant = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_seconds = int(os.environ.pop("WATCHDOG_USEC", "0")) / 1e6 if meant else 0.0
        self._beats = Beats()
        self._status = ""
        self._remark = ""
        self._stopping = False
        self.is_ready = asyncio.Event()
        # Takes new settings, of the daemon's own class, while it runs; None where a daemon can change nothing.
        self.apply: Callable[[Any], Awaitable[Sequence[str] | None]] | None = None
        # Set by `run`.
        self.reloads: Callable[[], Awaitable[Sequence[str]]] | None = None

    def ready(self, status_line: str) -> None:
        """The sockets serve."""
        self._status = status_line
        self._notifier.tell("READY=1", self._line())
        close_unasked()
        log.info("daemon.started", f"version {__version__} serves", version=__version__)
        self.is_ready.set()

    def status(self, status_line: str) -> None:
        """One useful line for `systemctl status`; told where it has changed."""
        if status_line != self._status and not self._stopping:
            self._status = status_line
            self._notifier.tell(self._line())

    def remark(self, sentence: str) -> None:
        """What is added to the status until it is mended; nothing if empty."""
        self._remark = sentence

    def _line(self) -> str:
        return status(f"{self._status}; {self._remark}" if self._remark else self._status)

    def reloading(self) -> None:
        """The settings are being read anew."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """They are in force, or refused."""
        self._notifier.tell("READY=1", self._line())

    def on_reload(self, apply: Callable[[Any], Awaitable[Sequence[str] | None]]) -> None:
        """Have `apply` take new, valid settings on SIGHUP. To be called before `ready`.

        Those marked RESTART are given as they were. It must not raise for what a user causes, but for UserError, by
        which it refuses them; then it has applied nothing. What it names has changed too, beside the settings.
        """
        self.apply = apply

    async def reload(self) -> Sequence[str]:
        """Do what SIGHUP does; the names of what has changed. UserError if that is refused."""
        if self.reloads is None:
            raise UserError("this process has no configuration to read anew")
        return await self.reloads()

    def stopping(self) -> None:
        """Draining. What loops have promised holds no more; how long it may take is the manager's to say."""
        self._stopping = True
        self._notifier.tell("STOPPING=1", status("stopping"))

    def beat(self, loop: str, every: float) -> None:
        """The loop of this name has made progress, and will again within `every` seconds."""
        self._beats.beat(loop, every, time.monotonic())

    def waits(self, loop: str, at_most: float) -> AbstractContextManager[None]:
        """The loop waits for the outside while the block runs, for `at_most` seconds; then it has made progress."""
        return self._beats.waiting(loop, at_most)

    def loop(self, name: str, every: float) -> Loop:
        """The same for a loop that need not know of the service manager; it is to make progress from now on."""
        return Loop(self._beats, name, every)

    def ended(self, loop: str) -> None:
        """The loop has ended, as it should."""
        self._beats.end(loop)

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping

    def late(self, now: float) -> list[str]:
        """The loops that promised to be back by now and are not; `now` is monotonic, in seconds."""
        return [] if self._stopping else self._beats.late(now)

    async def watchdog(self) -> None:
        """Ping the watchdog for as long as no loop is late. Runs until cancelled; `run` sees to it."""
        period = self._watchdog_seconds / 3
        late: list[str] = []
        next_ping = 0.0
        while True:
            now = time.monotonic()
            before, late = late, self.late(now)
            self._say_late(before, late)
            if period and not late and (before or now >= next_ping):
                self._notifier.tell("WATCHDOG=1")
                next_ping = now + period
            await asyncio.sleep(min(period or LOOK_SECONDS, LOOK_SECONDS))

    def _say_late(self, before: list[str], late: list[str]) -> None:
        if new := [name for name in late if name not in before]:
            where = {name: self._beats.where(name) for name in new}
            log.error("watchdog.late", "a loop makes no progress; the watchdog is not told", loops=late, where=where)
        elif before and not late:
            log.warning("watchdog.back", "all loops make progress again", loops=before)


def close_unasked() -> None:
    """Close the sockets that were handed over under a name that nobody has asked for."""
    for name, sockets in handed.take_rest().items():
        log.warning("listen.unknown", f"a socket named {name} was handed over; nobody here serves it", name=name)
        for sock in sockets:
            sock.close()
