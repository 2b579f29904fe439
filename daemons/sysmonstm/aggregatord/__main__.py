"""Starts sysmon-aggregatord: wires gRPC, Redis and PostgreSQL together and keeps their loops."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from sysmonstm import bus, daemon, service
from sysmonstm.aggregatord.credentials import Credentials
from sysmonstm.aggregatord.doors import serving
from sysmonstm.aggregatord.history.recall import Recalled
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.ingest import IngestService, Limits
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.report import Report
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.rollup import Rollup
from sysmonstm.aggregatord.saying import say
from sysmonstm.aggregatord.server import look_whether_served
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.aggregatord.tls import read_tls
from sysmonstm.certificates import warn_daily, warn_if_ending
from sysmonstm.command_line import from_command_line

# Each loop makes progress at least so often, unless it waits for the outside.
LOOP_SECONDS = 4.0
# gRPC is asked whether it answers every 2 s; a storm of connections is no reason to end.
GRPC_SECONDS = 5.0
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


def renew(credentials: Credentials | None, settings: AggregatorSettings) -> None:
    """Serve by what now lies where the certificates are; UserError, with nothing changed, if it is not good."""
    if credentials and (tls := read_tls(settings.tls)):
        credentials.exchange(tls)
        warn_if_ending(tls.identity, time.time())


async def run(settings: AggregatorSettings, manager: service.Service) -> None:
    """Serve until cancelled."""
    tls = read_tls(settings.tls)
    credentials = Credentials(tls) if tls else None
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
        renew(credentials, new)
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
    async with asyncio.TaskGroup() as tasks, serving(settings.listen, ingest, credentials, drain) as address:
        tasks.create_task(live.run())
        tasks.create_task(history.run(Wiring(live, ingest)))
        tasks.create_task(rollup.run(live.forget))
        tasks.create_task(Report(live, history, ingest, rollup).run(manager, manager.loop("report", LOOP_SECONDS)))
        tasks.create_task(look_whether_served(address, manager.loop("grpc", GRPC_SECONDS)))
        if credentials:
            tasks.create_task(warn_daily(lambda: credentials.tls.identity, manager.loop("certificate", LOOP_SECONDS)))
        manager.ready("waiting for machines")
        # Until it is cancelled; a loop that fails does that too.
        await asyncio.Event().wait()


def main() -> None:
    """The command sysmon-aggregatord."""
    daemon.run(from_command_line(AggregatorSettings, "Takes the samples of machines and keeps them."), run)


if __name__ == "__main__":
    main()
