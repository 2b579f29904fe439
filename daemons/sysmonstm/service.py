"""The service manager: inherited sockets, READY, STATUS, WATCHDOG, STOPPING, signals, and the life of a daemon.

Outside systemd (no NOTIFY_SOCKET, no LISTEN_FDS) the notifications do nothing and everything still runs.
The protocols are sd_notify(3) and sd_listen_fds_with_names(3).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from itertools import zip_longest

import sdnotify

from sysmonstm import logs
from sysmonstm.config import Settings, UserError, die

log = logs.logger(__name__)

LISTEN_FDS_START = 3


def inherited_sockets(environ: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """The listening sockets handed over by the service manager, by their FileDescriptorName.

    Takes LISTEN_* out of `environ` and closes the descriptors on exec, so that no child believes they are its own.
    Empty if they were meant for another process.
    """
    pid, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdigit():
        return {}
    found: dict[str, list[socket.socket]] = {}
    numbers = range(LISTEN_FDS_START, LISTEN_FDS_START + int(count))
    for number, name in zip_longest(numbers, names.split(":")[: int(count)], fillvalue=""):
        os.set_inheritable(int(number), False)
        if not stat.S_ISSOCK(os.fstat(int(number)).st_mode):
            continue
        sock = socket.socket(fileno=int(number))
        sock.setblocking(False)
        found.setdefault(str(name) or "unknown", []).append(sock)
    return found


class Service:
    """What a running daemon tells its service manager."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_seconds = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if meant else 0.0
        self._beats: dict[str, tuple[float, float]] = {}

    def ready(self, status: str) -> None:
        """The sockets serve."""
        self._notifier.notify(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One useful line for `systemctl status`."""
        self._notifier.notify(f"STATUS={status}")

    def stopping(self) -> None:
        """Draining."""
        self._notifier.notify("STOPPING=1")

    def beat(self, loop: str, every: float) -> None:
        """The loop of this name has made progress, and will again within `every` seconds."""
        self._beats[loop] = (time.monotonic(), every)

    def late(self, now: float) -> list[str]:
        """The loops that promised to be back by now and are not; `now` is monotonic, in seconds."""
        return [loop for loop, (last, every) in self._beats.items() if now - last > every]

    async def watchdog(self) -> None:
        """Ping the watchdog for as long as no loop is late. Runs until cancelled."""
        period = self._watchdog_seconds / 3 or 5.0
        while True:
            late = self.late(time.monotonic())
            if late:
                log.error("watchdog.late", "a loop makes no progress; the watchdog is not told", loops=late)
            else:
                self._notifier.notify("WATCHDOG=1")
            await asyncio.sleep(period)


def run(settings: Settings, main: Callable[[Service], Awaitable[None]]) -> None:
    """Run a daemon until SIGTERM or SIGINT cancels `main`; what else ends it rises.

    A UserError that reaches here is printed as one line, exit status 1.
    """
    logs.setup(settings.log_level, settings.log_format)
    try:
        asyncio.run(_until_signalled(main))
    except UserError as error:
        die(str(error))
    except BaseExceptionGroup as group:
        # Loops live in TaskGroups, which wrap even the one error that was meant for the user.
        users, others = group.split(UserError)
        if others or not users:
            raise
        die(str(next(_leaves(users))))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _until_signalled(main: Callable[[Service], Awaitable[None]]) -> None:
    service = Service()
    task = asyncio.ensure_future(main(service))
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        service.stopping()
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
    log.info("daemon.stopped", "stopped as asked")
