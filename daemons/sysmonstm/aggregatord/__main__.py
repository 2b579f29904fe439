"""Starts sysmon-aggregatord: wires gRPC, Redis and PostgreSQL together and keeps their loops."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sysmonstm import bus, config, service
from sysmonstm.aggregatord.history.recall import Recalled
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.ingest import IngestService, Limits
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.relay import Relay
from sysmonstm.aggregatord.report import Report
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.rollup import Rollup
from sysmonstm.aggregatord.saying import say
from sysmonstm.aggregatord.server import listening, look_whether_served
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.listen import listeners

# Each loop makes progress at least so often, unless it waits for the outside.
LOOP_SECONDS = 4.0
# gRPC is asked whether it answers every 2 s; a storm of connections is no reason to end.
GRPC_SECONDS = 5.0
# Long enough for what was just accepted to send its first call; a client waits 20 s for a hub.
LINGER_SECONDS = 0.3
# For what waits for its commit when the daemon is stopped.
DRAIN_SECONDS = 2.0
DRAIN_POLL_SECONDS = 0.05
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
        say(fields)
        self.live.event(fields)


@asynccontextmanager
async def serving(
    settings: AggregatorSettings, ingest: IngestService, drain: Callable[[], Awaitable[None]]
) -> AsyncIterator[str]:
    """gRPC on the sockets that the service manager handed over, or on one of its own; either way behind the relay.

    Yields the address of the unix socket between the two. In the end no more connections are taken, and `drain`
    is awaited while those that are there go on.
    """
    sockets = listeners("ingest", settings.listen, "AGGREGATOR_LISTEN")
    address = between()
    relay = Relay(sockets, address)
    try:
        async with listening(ingest, f"unix-abstract:{address[1:]}" if address[0] == "\0" else f"unix:{address}"):
            relay.start()
            try:
                yield address
            finally:
                relay.stop_accepting()
                await asyncio.gather(asyncio.sleep(LINGER_SECONDS), drain())
    finally:
        relay.close()
        for sock in sockets:
            sock.close()


def between() -> str:
    """Where the relay meets gRPC: in systemd's RuntimeDirectory, which is for nobody else, or a name hard to guess."""
    if directory := os.environ.get("RUNTIME_DIRECTORY"):
        return f"{directory}/grpc.sock"
    return f"\0sysmon-aggregatord/{os.getpid()}/{secrets.token_hex(8)}"


def keep_of(settings: AggregatorSettings) -> Keep:
    """How long everything is kept, in seconds."""
    return Keep(
        raw=settings.keep_raw_hours * HOUR_SECONDS,
        minutes=settings.keep_minutes_days * DAY_SECONDS,
        hours=settings.keep_hours_days * DAY_SECONDS,
        silent_machines=settings.forget_after_days * DAY_SECONDS,
    )


def limits_of(settings: AggregatorSettings) -> Limits:
    """What ingest keeps to. What is older than all that is kept would be in no history."""
    oldest_seconds = keep_of(settings).hours
    return Limits(settings.window, settings.machines, settings.pending_bytes, oldest_seconds)


async def run(settings: AggregatorSettings, manager: service.Service) -> None:
    """Serve until cancelled."""
    redis = bus.connect(settings.redis_url)
    history = HistoryWriter(
        settings.timescale_url, settings.commit_interval, settings.pending_bytes, manager.loop("history", LOOP_SECONDS)
    )
    live = LivePublisher(redis, history.recall_fleet, manager.loop("live", LOOP_SECONDS))
    ingest = IngestService(live, history, limits_of(settings))
    rollup = Rollup(
        settings.timescale_url, settings.rollup_interval, keep_of(settings), manager.loop("rollup", LOOP_SECONDS)
    )

    async def apply(new: AggregatorSettings) -> None:
        history.commit_interval, history.most_bytes = new.commit_interval, new.pending_bytes
        ingest.keep_to(limits_of(new))
        rollup.interval, rollup.keep = new.rollup_interval, keep_of(new)

    async def drain() -> None:
        """Until what has come is committed and acknowledged, or the database is too slow for that."""
        ingest.shut()
        deadline = time.monotonic() + DRAIN_SECONDS
        while history.pending_frames and not history.away and time.monotonic() < deadline:  # noqa: ASYNC110 - three things end it
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    manager.on_reload(apply)
    # What is served ends before the loops do, which go on committing meanwhile.
    async with asyncio.TaskGroup() as tasks, serving(settings, ingest, drain) as address:
        tasks.create_task(live.run())
        tasks.create_task(history.run(Wiring(live, ingest)))
        tasks.create_task(rollup.run(live.forget))
        tasks.create_task(Report(live, history, ingest, rollup).run(manager, manager.loop("report", LOOP_SECONDS)))
        tasks.create_task(look_whether_served(address, manager.loop("grpc", GRPC_SECONDS)))
        manager.ready("waiting for machines")
        # Until it is cancelled; a loop that fails does that too.
        await asyncio.Event().wait()


def main() -> None:
    """The command sysmon-aggregatord."""
    service.run(config.from_command_line(AggregatorSettings, "Takes the samples of machines and keeps them."), run)


if __name__ == "__main__":
    main()
