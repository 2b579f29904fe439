"""One thread for all that the spool does with files, in the order in which it was asked for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")

SYNC_SECONDS = 5.0


class FileThread:
    """A daemon thread: one that hangs on a disk does not keep the process from exiting.

    Between calls, at the latest five seconds after `needs_sync` has become true, it calls `sync`.
    """

    def __init__(self, name: str) -> None:
        # As long as its callers are many: each awaits its answer.
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._needs_sync: Callable[[], bool] = lambda: False
        self._sync: Callable[[], None] = lambda: None
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, work: Callable[[], T], took: Callable[[T], None] = lambda _: None) -> T:
        """What `work` gives or raises in the thread. Here `took` has it first, even if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def deliver(answer: T) -> None:
            took(answer)
            if not future.done():
                future.set_result(answer)

        def fail(error: BaseException) -> None:
            if not future.done():
                future.set_exception(error)

        def run() -> None:
            try:
                self._check()
                answer = work()
            # Whatever it is, it belongs to the caller.
            except BaseException as error:  # noqa: BLE001
                _tell(loop, fail, error)
            else:
                _tell(loop, deliver, answer)

        self._calls.put(run)
        return await future

    def keep_synced(self, needs_sync: Callable[[], bool], sync: Callable[[], None]) -> None:
        """Call `sync` from now on. To be called in the thread."""
        self._needs_sync, self._sync = needs_sync, sync

    def close(self) -> None:
        """Let the thread end when it has done what it was asked for. Nothing waits for that."""
        self._calls.put(None)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        due: float | None = None
        while True:
            try:
                call = self._calls.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
                if call is None:
                    return
                call()
                del call
            except Empty:
                pass
            due = self._synced(due)

    def _synced(self, due: float | None) -> float | None:
        """Sync, if that is due; when it will be."""
        if self._failure is not None or not self._needs_sync():
            return None
        now = time.monotonic()
        if due is None:
            return now + SYNC_SECONDS
        if now < due:
            return due
        try:
            self._sync()
        # A bug, as a disk's refusals are dealt with: the next caller has it, and nothing is called any more.
        except BaseException as error:  # noqa: BLE001
            self._failure = error
        return None


def _tell(loop: asyncio.AbstractEventLoop, done: Callable[[T], None], answer: T) -> None:
    try:
        loop.call_soon_threadsafe(done, answer)
    except RuntimeError:
        # The loop was closed meanwhile: nobody waits.
        return
