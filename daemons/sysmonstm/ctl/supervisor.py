"""Keeps parts running. What becomes of one that has ended is decided here, purely; how one starts is its own matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sysmonstm.config import UserError

LONGEST_DELAY_SECONDS = 10.0
# A part that has served for so long is well again: its next end is a first one.
WELL_AFTER_SECONDS = 60.0


class Part(Protocol):
    """A daemon or a server, one process at a time."""

    name: str
    ready: bool
    """Whether the process of now has said that it serves."""

    def start(self) -> None:
        """Start a process; UserError if that cannot be."""

    def ended(self) -> int | None:
        """The exit status of the process of now (minus the signal that killed it), None while it runs."""

    def last_words(self) -> str:
        """What the process said last."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after so many seconds."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Its settings are bad: starting it again would end the same way."""


def after_end(status: int, ever_ready: bool, ends: int) -> Restart | GiveUp:
    """What becomes of a part that has ended with `status`; `ends` counts its ends since it was last well, this too."""
    if status == 1 and not ever_ready:
        return GiveUp()
    return Restart(min(2.0 ** (ends - 1), LONGEST_DELAY_SECONDS))


def how_it_ended(status: int) -> str:
    """In words."""
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


class Supervised:
    """One part, which may run already, and what has become of it so far. `now` is monotonic, in seconds."""

    def __init__(self, part: Part, say: Callable[[str], None]) -> None:
        self.part = part
        self._say = say
        self._ever_ready = part.ready
        self._ends = 0
        self._started = 0.0
        self._start_at: float | None = None if part.ready else 0.0

    def step(self, now: float) -> None:
        """Start it if it is time, and look whether it has ended. UserError if it never can run."""
        if self._start_at is not None:
            if now >= self._start_at:
                self._start(now)
            return
        self._ever_ready |= self.part.ready
        status = self.part.ended()
        if status is not None:
            self._after_end(now, status)

    def _start(self, now: float) -> None:
        self._start_at, self._started = None, now
        try:
            self.part.start()
        except UserError as error:
            if not self._ever_ready:
                raise
            self._again(now, f"{self.part.name} cannot be started again: {error}", 1)

    def _after_end(self, now: float, status: int) -> None:
        if now - self._started > WELL_AFTER_SECONDS:
            self._ends = 0
        self._again(now, f"{self.part.name} {how_it_ended(status)}", status)

    def _again(self, now: float, what: str, status: int) -> None:
        self._ends += 1
        match after_end(status, self._ever_ready, self._ends):
            case GiveUp():
                raise UserError(self.part.last_words())
            case Restart(after_seconds):
                self._say(f"{what}; starting it again in {after_seconds:.0f} s")
                self._start_at = now + after_seconds
