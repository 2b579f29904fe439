"""Says once what troubles the spool, and once that it is over."""

from __future__ import annotations

import errno

from sysmonstm import logs
from sysmonstm.collectord.spool.recent import MOST_FRAMES

log = logs.logger(__name__)

# What shedding can help against.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

# By what fails.
_MEANING = {
    "write": f"samples cannot be written to disk; the newest, {MOST_FRAMES} at most, are kept in memory, and those "
    "that are not stored from there are lost",
    "sync": "samples may not be on disk for good: a power cut, or what ails the disk, may take them before they are "
    "stored",
    "delete": "files of samples that are stored, or were to make room, cannot be deleted",
}


class Trouble:
    """Which troubles there are now."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._full = False
        self._damaged = False

    @property
    def failing(self) -> bool:
        """Whether the last write, sync or delete failed."""
        return bool(self._failing)

    def shed(self) -> None:
        """The oldest has gone to make room."""
        if not self._full:
            self._full = True
            log.warning(
                "spool.full", "there is no room for more waiting samples: the oldest are lost, a gap says which"
            )

    def failed(self, what: str, error: OSError) -> None:
        """`what` ("write", "sync" or "delete") failed."""
        if what not in self._failing:
            log.error(
                "spool.failing",
                f"{_MEANING[what]}: {error.strerror}",
                call=what,
                error=errno.errorcode.get(error.errno or 0, repr(error)),
            )
        self._failing.add(what)

    def succeeded(self, what: str) -> None:
        """`what` works."""
        if what in self._failing:
            self._failing.discard(what)
            if not self._failing:
                log.info("spool.well", "waiting samples can be kept on disk again")

    def damaged(self, frames: int) -> None:
        """So many frames were found to be unreadable."""
        if frames and not self._damaged:
            self._damaged = True
            log.warning(
                "spool.damaged",
                "waiting samples cannot be read back: they are lost, a gap says which; said once, counted in a metric",
                frames=frames,
            )

    def drained(self) -> None:
        """Nothing waits any more."""
        if self._full:
            self._full = False
            log.info("spool.drained", "there is room for waiting samples again, and none waits")
