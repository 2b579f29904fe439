"""Which loops of a daemon make progress: what they promise, and which of them are late."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

# What a loop promises that says how long it waits before it has ever said anything else.
EVERY_SECONDS = 5.0


@dataclass(slots=True)
class _Loop:
    """`last` and the `excuses` are in monotonic seconds, `every` in seconds."""

    last: float
    every: float
    excuses: list[float] = field(default_factory=list)
    task: asyncio.Task[Any] | None = None


class Beats:
    """The loops of one daemon, by name. Every `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._loops: dict[str, _Loop] = {}

    def beat(self, name: str, every: float, now: float) -> None:
        """The loop has made progress, and will again within `every` seconds."""
        loop = self._loops.get(name)
        if loop is None:
            self._loops[name] = _Loop(now, every, task=_current_task())
        else:
            loop.last, loop.every, loop.task = now, every, _current_task()

    def expect(self, name: str, every: float, now: float) -> None:
        """The loop is about to begin: its first progress is due within `every` seconds."""
        self._loops[name] = _Loop(now, every)

    def begins_to_wait(self, name: str, until: float, now: float) -> None:
        """The loop waits for the outside, for no longer than `until`."""
        known = self._loops.get(name)
        self.beat(name, known.every if known else EVERY_SECONDS, now)
        self._loops[name].excuses.append(until)

    def has_waited(self, name: str, until: float, now: float) -> None:
        """What `begins_to_wait` said has ended: that is progress."""
        loop = self._loops.get(name)
        if loop and until in loop.excuses:
            loop.excuses.remove(until)
            loop.last = now

    @contextmanager
    def waiting(self, name: str, at_most: float) -> Iterator[None]:
        """The loop waits for the outside while the block runs, for `at_most` seconds from now."""
        now = time.monotonic()
        self.begins_to_wait(name, now + at_most, now)
        try:
            yield
        finally:
            self.has_waited(name, now + at_most, time.monotonic())

    def end(self, name: str) -> None:
        """The loop has ended, as it should."""
        self._loops.pop(name, None)

    def late(self, now: float) -> list[str]:
        """The loops that promised to be back by now and are not."""
        return [name for name, loop in self._loops.items() if now > max(loop.last + loop.every, *loop.excuses, 0.0)]

    def where(self, name: str) -> str:
        """What the task of a loop waits for, innermost last: `writer.py:120 run, connection.py:90 answered`."""
        loop = self._loops.get(name)
        if not loop or not loop.task:
            return ""
        frames = (f"{code.co_filename.rpartition('/')[2]}:{line} {code.co_name}" for code, line in _waiting(loop.task))
        return ", ".join(frames)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        # A thread of its own has no event loop.
        return None


def _waiting(task: asyncio.Task[Any]) -> Iterator[tuple[CodeType, int]]:
    """The code that a suspended task is in, and the line; from the outermost await to the innermost."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame: FrameType | None = next(
            (found for kind in ("cr_frame", "ag_frame", "gi_frame") if (found := getattr(awaited, kind, None))), None
        )
        if frame:
            yield frame.f_code, frame.f_lineno
        awaited = next(
            (
                found
                for kind in ("cr_await", "ag_await", "gi_yieldfrom")
                if (found := getattr(awaited, kind, None)) is not None
            ),
            None,
        )


class Loop:
    """One loop's word to whoever watches. It is expected to make progress from now on, each `every` seconds."""

    def __init__(self, beats: Beats, name: str, every: float) -> None:
        self._beats = beats
        self._name = name
        self._every = every
        beats.expect(name, every, time.monotonic())

    def beat(self) -> None:
        """It has made progress, and will again in time."""
        self._beats.beat(self._name, self._every, time.monotonic())

    @contextmanager
    def waits(self, at_most: float) -> Iterator[None]:
        """It waits for the outside while the block runs, for `at_most` seconds; then it has made progress."""
        with self._beats.waiting(self._name, at_most):
            yield


UNWATCHED = Loop(Beats(), "unwatched", math.inf)
"""For a loop that runs on its own, as in a test."""
