"""Starts sysmon-collectord: samples this machine on a fixed grid and hands the samples to the uplink."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import __version__, config, logs, service
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.grid import ticks, warm_up
from sysmonstm.collectord.intake import Intake
from sysmonstm.collectord.probes import probes_of_this_machine
from sysmonstm.collectord.probes.agent import AgentProbe, AgentState
from sysmonstm.collectord.sampler import Sampler
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.collectord.uplink import Uplink

log = logs.logger(__name__)

# How long a stopping collector waits for its last samples to be acknowledged, and then for its disk.
FLUSH_SECONDS = 8.0
CLOSE_SECONDS = 1.5


async def run(settings: CollectorSettings, manager: service.Service) -> None:
    """Sample and send until cancelled."""
    hello = pb.Hello(
        machine=settings.machine_id,
        interval_seconds=settings.collection_interval,
        agent_version=__version__,
        facts=facts(),
    )
    async with _outbox(settings) as outbox, asyncio.TaskGroup() as tasks:
        uplink = Uplink(hello, settings.aggregator_url, outbox, random.Random())  # noqa: S311 - jitter, not a secret
        intake = Intake(uplink, tasks)
        agent = AgentProbe(lambda: _agent_state(outbox, uplink, intake))
        sampler = Sampler([*probes_of_this_machine(), agent], settings.deadline)
        sending = tasks.create_task(uplink.run())
        tasks.create_task(manager.watchdog())
        try:
            await _collect(settings, manager, sampler, intake, lambda: _status(outbox, uplink))
        except asyncio.CancelledError:
            await _flush(outbox, uplink, intake)
            raise
        finally:
            sampler.close()
            sending.cancel()


@asynccontextmanager
async def _outbox(settings: CollectorSettings) -> AsyncIterator[Outbox]:
    """The spool, closed cleanly in the end unless its disk hangs."""
    outbox = await Outbox.open(settings.spool_directory, Limits(settings.spool_bytes, settings.spool_free_bytes))
    try:
        yield outbox
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await outbox.close()
        except TimeoutError:
            log.warning("spool.hangs", "the spool's disk hangs; it is left as it is, and the next start will check it")


async def _collect(
    settings: CollectorSettings, manager: service.Service, sampler: Sampler, intake: Intake, status: Callable[[], str]
) -> None:
    # Rates need two readings: the first goes nowhere.
    await sampler.sample()
    manager.ready("taking the first sample")
    interval = settings.collection_interval
    async for tick in ticks(interval, warm_up(interval)):
        if tick.skipped:
            log.warning("samples.skipped", f"{tick.skipped} samples were not taken: the machine was too busy or asleep")
        sample = await sampler.sample()
        intake.offer(sample)
        manager.beat("sampler", 2 * interval + 10)
        manager.status(f"{len(sample.values)} series every {interval:g} s, {status()}")


def _status(outbox: Outbox, uplink: Uplink) -> str:
    where = f"connected to {uplink.connected_to}" if uplink.connected_to else "not connected"
    return f"{where}, {outbox.unacknowledged} unacknowledged in {outbox.state.bytes} bytes"


def _agent_state(outbox: Outbox, uplink: Uplink, intake: Intake) -> AgentState:
    state = outbox.state
    return AgentState(state.unacknowledged, state.bytes, state.shed + state.damaged + intake.dropped, uplink.refused)


async def _flush(outbox: Outbox, uplink: Uplink, intake: Intake) -> None:
    """Send what waits while an aggregator takes it, within FLUSH_SECONDS; the spool keeps the rest."""
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await intake.emptied()
            await uplink.flush()
    except TimeoutError:
        # Said below, with what it means.
        pass
    if waiting := outbox.unacknowledged:
        log.info("samples.kept", f"{waiting} samples wait in the spool for the next start", samples=waiting)


def main() -> None:
    """The command sysmon-collectord."""
    settings = config.from_command_line(CollectorSettings, "Samples this machine and sends what it reads to a hub.")
    service.run(settings, lambda manager: run(settings, manager))


if __name__ == "__main__":
    main()
