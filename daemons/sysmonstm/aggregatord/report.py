"""Says how the aggregator does: in its status, and to collectors how much they may send."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.ingest import IngestService
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.rollup.rollup import Rollup
from sysmonstm.beats import Loop
from sysmonstm.service import Service

# How often collectors are told, and how often people: each word of theirs wakes the service manager.
ANNOUNCE_SECONDS = 0.5
STATUS_SECONDS = 2.0
# Of how many statuses the rate is the mean: machines send every 5 s.
RATE_STATUSES = 15


@dataclass(frozen=True, slots=True)
class Report:
    """The parts that it speaks of."""

    live: LivePublisher
    history: HistoryWriter
    ingest: IngestService
    rollup: Rollup

    async def run(self, manager: Service, loop: Loop) -> None:
        """Until cancelled."""
        counted = deque([(time.monotonic(), self.ingest.frames)], RATE_STATUSES)
        while True:
            await asyncio.sleep(ANNOUNCE_SECONDS)
            loop.beat()
            self.ingest.announce_window()
            now = time.monotonic()
            if now - counted[-1][0] < STATUS_SECONDS:
                continue
            then, frames = counted[0]
            counted.append((now, self.ingest.frames))
            manager.status(self._line((self.ingest.frames - frames) / (now - then), now))

    def _line(self, rate: float, now: float) -> str:
        ingest, history = self.ingest, self.history
        words = [
            f"{ingest.connections} of {self.live.machines} machines connected",
            f"{rate:.1f} frames/s" if rate < 100 else f"{rate:.0f} frames/s",
            f"{history.pending_frames} waiting for the database, for {history.lag(now):.0f} s",
            f"{ingest.rejected} refused, {ingest.losses.lost} lost, {ingest.losses.damaged} messages damaged",
        ]
        if unkept := ingest.storms.dropped + history.refused_events:
            words.append(f"{unkept} events dropped or refused")
        if history.away:
            words.append("the database is away")
        if self.live.away:
            words.append("Redis is away")
        if self.rollup.state.failure:
            words.append("the roll-up fails")
        return ", ".join(words)
