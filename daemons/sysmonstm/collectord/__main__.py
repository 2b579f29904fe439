"""Starts sysmon-collectord: samples this machine on a fixed grid and hands the samples to the uplink."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sysmonstm import daemon, logs, service
from sysmonstm.collectord.collecting import collect, take_last
from sysmonstm.collectord.deployment import reading
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.grid import Schedule, warm_up
from sysmonstm.collectord.happening import Happenings
from sysmonstm.collectord.intake import Intake
from sysmonstm.collectord.introduction import Introduction, hello
from sysmonstm.collectord.probes.agent import AgentState
from sysmonstm.collectord.sampler import Sampler
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.sources import Sources, sources
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.collectord.uplink import Uplink
from sysmonstm.command_line import from_command_line

log = logs.logger(__name__)

# How long a stopping collector waits for its last samples to be acknowledged, and then for its disk.
FLUSH_SECONDS = 8.0
CLOSE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Collector:
    """The parts of a running collector that settings reach and that its status tells of."""

    tasks: asyncio.TaskGroup
    introduction: Introduction
    outbox: Outbox
    uplink: Uplink
    sampler: Sampler
    schedule: Schedule
    sources: Sources

    async def apply(self, settings: CollectorSettings) -> None:
        """Heed other settings from now on; UserError, with nothing changed, if their certificates are not good."""
        trust = settings.trust()
        self.schedule.change(settings.collection_interval)
        self.sampler.deadline = settings.deadline
        self.sources.apply(settings)
        self.introduction.heed(settings, trust)
        # Whoever reloads does not wait for a disk that hangs.
        self.tasks.create_task(self.outbox.limit(_limits(settings)))

    def status(self, values: int) -> str:
        """One line for `systemctl status`, which changes only with what matters."""
        to = f"connected to {self.uplink.connected_to}" if self.uplink.connected_to else "not connected"
        waiting = self.outbox.unacknowledged
        # The newest one is always on its way.
        backlog = f"{waiting} samples wait in {self.outbox.state.bytes} bytes" if waiting > 1 else "no sample waits"
        units = self.sources.units()
        failed = f", {units.failed} units failed" if units else ""
        return f"{values} series every {self.schedule.interval:g} s, {to}, {backlog}{failed}"


async def run(settings: CollectorSettings, manager: service.Service) -> None:
    """Sample and send until cancelled."""
    logs.concerns(settings.machine_id)
    machine, trust = facts(reading.deployed(reading.ROOT)), settings.trust()
    happenings = Happenings()
    async with _outbox(settings) as outbox, asyncio.TaskGroup() as tasks:
        jitter = random.Random()  # noqa: S311 - no secret
        uplink = Uplink(hello(settings, machine), settings.aggregator_url, outbox, jitter, manager, trust)
        introduction = Introduction(uplink, settings, trust, machine)
        intake = Intake(uplink, tasks)
        read = sources(settings, happenings, lambda: _agent_state(outbox, uplink, intake), introduction.learn)
        sampler = Sampler(read.probes, settings.deadline)
        loops = [tasks.create_task(loop) for loop in (uplink.run(), *(loop(manager) for loop in read.loops))]
        try:
            # Rates need two readings: the first goes nowhere.
            await sampler.sample()
            schedule = Schedule(settings.collection_interval, warm_up(settings.collection_interval))
            happenings.hurry = schedule.hurry
            collector = Collector(tasks, introduction, outbox, uplink, sampler, schedule, read)
            manager.on_reload(collector.apply)
            manager.ready("taking the first sample")
            await collect(manager, schedule, sampler, happenings, intake, collector.status)
        except asyncio.CancelledError:
            await _flush(outbox, uplink, intake, lambda: take_last(sampler, happenings, intake))
            raise
        finally:
            sampler.close()
            for loop in loops:
                loop.cancel()


def _limits(settings: CollectorSettings) -> Limits:
    return Limits(settings.spool_bytes, settings.spool_free_bytes)


@asynccontextmanager
async def _outbox(settings: CollectorSettings) -> AsyncIterator[Outbox]:
    """The spool, closed cleanly in the end unless its disk hangs."""
    outbox = await Outbox.open(settings.spool_directory, _limits(settings))
    try:
        yield outbox
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await outbox.close()
        except TimeoutError:
            log.warning("spool.hangs", "the spool's disk hangs; it is left as it is, and the next start will check it")


def _agent_state(outbox: Outbox, uplink: Uplink, intake: Intake) -> AgentState:
    state = outbox.state
    return AgentState(state.unacknowledged, state.bytes, state.shed + state.damaged + intake.dropped, uplink.refused)


async def _flush(outbox: Outbox, uplink: Uplink, intake: Intake, take_last: Callable[[], Awaitable[None]]) -> None:
    """Send what waits while an aggregator takes it, within FLUSH_SECONDS; the spool keeps the rest."""
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await take_last()
            await intake.emptied()
            await uplink.flush()
    except TimeoutError:
        # Said below, with what it means.
        pass
    if waiting := outbox.unacknowledged:
        log.info("samples.kept", f"{waiting} samples wait in the spool for the next start", samples=waiting)


def main() -> None:
    """The command sysmon-collectord."""
    source = from_command_line(CollectorSettings, "Samples this machine and sends what it reads to a hub.")
    daemon.run(source, run)


if __name__ == "__main__":
    main()
