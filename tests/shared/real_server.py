"""A server of a test's own that it may kill, freeze and start again on the same directory and address."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

import psutil

from sysmonstm.ctl.servers import Server

PATIENCE_SECONDS = 60.0


class RealServer:
    """`make` is servers.redis or servers.postgres; it runs for as long as the block, apart from what the test does."""

    def __init__(self, make: Callable[[Path], AbstractContextManager[Server]], state: Path) -> None:
        self._make = make
        self._state = state
        self._stack = ExitStack()
        self.url = ""

    def __enter__(self) -> RealServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        server = self._stack.enter_context(self._make(self._state))
        self.url = server.url
        self._process = psutil.Process(server.pid)

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        processes = self._all()
        self._signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
        self._stack.close()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _signal(self, number: signal.Signals) -> None:
        for process in self._all():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                # A worker that ended just now.
                continue


async def until(what: str, ask: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for it to be so; fails, naming `what`, if it is not for a minute."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (answer if isinstance(answer := ask(), bool) else await answer):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"in {PATIENCE_SECONDS:.0f} s it was not so: {what}") from None
