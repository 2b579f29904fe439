"""How loops say that they make progress, so that the service manager replaces a collector that hangs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Pulse(Protocol):
    """What loops need of sysmonstm.service.Service."""

    def waits(self, loop: str, at_most: float) -> AbstractContextManager[None]:
        """The loop waits for the outside while the block runs, for `at_most` seconds; then it has made progress."""

    def ended(self, loop: str) -> None:
        """The loop has ended, as it should."""


class Unwatched:
    """For loops that nobody watches."""

    def waits(self, loop: str, at_most: float) -> AbstractContextManager[None]:  # noqa: ARG002 - as Pulse has it
        """Nothing is promised."""
        return nullcontext()

    def ended(self, loop: str) -> None:
        """Nobody has to know."""


UNWATCHED = Unwatched()
