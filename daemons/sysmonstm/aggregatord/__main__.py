"""Starts sysmon-aggregatord: wires gRPC, Redis and PostgreSQL together and keeps their loops."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sysmonstm import bus, config, service
from sysmonstm.aggregatord.history.recall import Recalled
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.ingest import IngestService, Limits
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.relay import Relay
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.rollup import Rollup
from sysmonstm.aggregatord.server import listening
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.listen import listeners

STATUS_SECONDS = 0.5
LOOP_SECONDS = 10.0
# Long enough for what was just accepted to send its first call; a client waits 20 s for a hub.
LINGER_SECONDS = 0.3
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Wiring:
    """What history says, passed on to whom it concerns."""

    live: LivePublisher
    ingest: IngestService

    async def missing(self, machines: list[str]) -> set[str]:
        """Those that neither Redis nor this aggregator knows."""
        return await self.live.missing(machines)

    def recalled(self, machine: Recalled) -> None:
        """A machine as history has it, shown until it speaks for itself."""
        if not self.live.knows(machine.hello.machine):
            self.live.hello(machine.hello)
            if newest := machine.newest:
                frame = newest.frame
                self.live.frame(machine.hello.machine, newest.stream, newest.layout, frame, frame.time_us)

    def settled(self, batch: CheckedBatch) -> None:
        """A batch is committed."""
        self.ingest.settled(batch)

    def cursor(self, stream: bytes, durable_seq: int, time_us: int) -> None:
        """What the database has of a stream."""
        self.ingest.cursor(stream, durable_seq, time_us)

    def event(self, fields: dict[str, object]) -> None:
        """An event is stored."""
        self.live.event(fields)


@asynccontextmanager
async def serving(settings: AggregatorSettings, ingest: IngestService) -> AsyncIterator[None]:
    """gRPC on the sockets that the service manager handed over, or on one of its own; either way behind the relay."""
    name = f"sysmon-aggregatord/{os.getpid()}/{secrets.token_hex(8)}"
    relay = Relay(listeners(settings.listen, "AGGREGATOR_LISTEN"), name)
    try:
        async with listening(ingest, f"unix-abstract:{name}"):
            relay.start()
            try:
                yield
            finally:
                relay.stop_accepting()
                await asyncio.sleep(LINGER_SECONDS)
    finally:
        relay.close()


def keep_of(settings: AggregatorSettings) -> Keep:
    """How long everything is kept, in seconds."""
    return Keep(
        raw=settings.keep_raw_hours * HOUR_SECONDS,
        minutes=settings.keep_minutes_days * DAY_SECONDS,
        hours=settings.keep_hours_days * DAY_SECONDS,
        silent_machines=settings.forget_after_days * DAY_SECONDS,
    )


async def run(settings: AggregatorSettings, manager: service.Service) -> None:
    """Serve until cancelled."""
    redis = bus.connect(settings.redis_url)
    history = HistoryWriter(settings.timescale_url, settings.commit_interval, settings.pending_bytes)
    live = LivePublisher(redis, lambda: manager.beat("live", LOOP_SECONDS), history.recall_fleet)
    keep = keep_of(settings)
    # What is older than all that is kept would be in no history.
    ingest = IngestService(
        live, history, Limits(settings.window, settings.machines, settings.pending_bytes, keep.hours)
    )
    rollup = Rollup(settings.timescale_url, settings.rollup_interval, keep)
    async with serving(settings, ingest), asyncio.TaskGroup() as tasks:
        tasks.create_task(live.run())
        tasks.create_task(history.run(Wiring(live, ingest)))
        tasks.create_task(rollup.run(live.forget))
        tasks.create_task(_report(manager, live, history, ingest, rollup))
        tasks.create_task(manager.watchdog())
        manager.ready("waiting for machines")


async def _report(
    manager: service.Service, live: LivePublisher, history: HistoryWriter, ingest: IngestService, rollup: Rollup
) -> None:
    """Keep collectors told of the window, and systemctl of how it goes."""
    frames, then = ingest.frames, time.monotonic()
    while True:
        await asyncio.sleep(STATUS_SECONDS)
        manager.beat("report", LOOP_SECONDS)
        ingest.announce_window()
        now = time.monotonic()
        rate, frames, then = (ingest.frames - frames) / (now - then), ingest.frames, now
        manager.status(
            f"{ingest.connections} of {live.machines} machines connected, {rate:.0f} frames/s, "
            f"{history.pending_frames} waiting for the database, {ingest.rejected} refused, "
            f"{ingest.losses.lost} lost, {ingest.losses.damaged} messages damaged"
            f"{', the roll-up fails' if rollup.state.failure else ''}"
        )


def main() -> None:
    """The command sysmon-aggregatord."""
    settings = config.from_command_line(AggregatorSettings, "Takes the samples of machines and keeps them.")
    service.run(settings, lambda manager: run(settings, manager))


if __name__ == "__main__":
    main()
