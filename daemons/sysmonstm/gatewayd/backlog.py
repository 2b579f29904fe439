"""What waits for slow WebSocket clients, of all together: counted once however many wait for it, and bounded."""

from __future__ import annotations

import asyncio
from collections import Counter

from sysmonstm import logs
from sysmonstm.gatewayd.counts import Counts

# Snapshots of a thousand machines, all metrics and not deflated, for some fifty who came at different moments.
MOST_BYTES = 64 * 1024 * 1024
# While somebody waits for room, nobody may take longer than so many seconds to read what waits for them.
HOLD_SECONDS = 60.0

log = logs.logger(__name__)


class Backlog:
    """Frames that lines keep for their clients. Many lines keep one and the same object, which is memory only once."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        # By identity: whoever keeps frames here has a reference to them.
        self._lines: Counter[int] = Counter()
        self._told = False
        self._room = asyncio.Event()
        # Fair: who waits first is let in first.
        self._turn = asyncio.Lock()
        self.octets = 0

    @property
    def spent(self) -> bool:
        """Whether nobody who is behind should be sent anything until others have taken what waits for them."""
        return self.octets >= MOST_BYTES

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for room."""
        return self._turn.locked()

    def keep(self, frames: bytes) -> None:
        """One line more has these to send."""
        self._lines[id(frames)] += 1
        if self._lines[id(frames)] == 1:
            self.octets += len(frames)

    def drop(self, frames: bytes) -> None:
        """One line less."""
        self._lines[id(frames)] -= 1
        if not self._lines[id(frames)]:
            del self._lines[id(frames)]
            self.octets -= len(frames)
            if not self.spent:
                self._room.set()

    async def room(self) -> None:
        """Wait until there is room for more, behind those who wait already."""
        if self.spent:
            self._counts.websocket_held_back += 1
            if not self._told:
                self._told = True
                log.warning(
                    "websocket.backlog", "browsers are too slow for all that waits for them", octets=self.octets
                )
        async with self._turn:
            # Whoever came first may use all the room.
            while self.spent:
                self._room.clear()
                await self._room.wait()
        self._told = False
