"""A thread for calls that may hang: one at a time, never a second one behind a hung one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """A daemon thread that makes one call at a time.

    Whoever offers a call waits for the answer as long as it likes. A call that hangs keeps its worker busy until it
    ends, if ever; the thread does not keep the process from exiting.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # At most one call is in it: `offer` refuses while `_busy`.
        self._calls: SimpleQueue[tuple[Callable[[], T], Callable[[T], None]] | None] = SimpleQueue()
        self._busy = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._busy

    def offer(self, call: Callable[[], T], done: Callable[[T], None]) -> bool:
        """Have `call` made and its answer given to `done`, both in the worker's thread; False if it is busy.

        Neither may raise. To drop a late answer, give a `done` that nobody listens to any more. To be called from one
        thread only.
        """
        if self._busy:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._busy = True
        self._calls.put((call, done))
        return True

    def close(self) -> None:
        """Let the thread end when its call has ended. Nothing waits for that."""
        self._calls.put(None)

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            call, done = work
            answer = call()
            # Free before the answer is known: who has the answer may offer the next call at once.
            self._busy = False
            done(answer)
            # A worker that waits holds on to nothing.
            del work, call, done, answer
