"""Starts sysmon-collectord: samples this machine on a fixed grid and hands the samples to the uplink."""

from __future__ import annotations

import asyncio
import os
import random

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import __version__, config, logs, service
from sysmonstm.collectord.backlog import Backlog
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.grid import ticks, warm_up
from sysmonstm.collectord.probes import probes_of_this_machine
from sysmonstm.collectord.probes.agent import AgentProbe, AgentState
from sysmonstm.collectord.sampler import Sampler
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.uplink import Uplink
from sysmonstm.wire import STREAM_BYTES

log = logs.logger(__name__)

# How long a stopping collector waits for its last samples to be acknowledged.
FLUSH_SECONDS = 2.0


async def run(settings: CollectorSettings, manager: service.Service) -> None:
    """Sample and send until cancelled."""
    hello = pb.Hello(
        machine=settings.machine_id,
        stream=os.urandom(STREAM_BYTES),
        interval_seconds=settings.collection_interval,
        agent_version=__version__,
        facts=facts(),
    )
    backlog = Backlog(settings.queue_bytes)
    uplink = Uplink(hello, settings.aggregator_url, backlog, random.Random())  # noqa: S311 - jitter, not a secret
    agent = AgentProbe(lambda: AgentState(len(backlog), backlog.dropped, uplink.refused))
    sampler = Sampler([*probes_of_this_machine(), agent], settings.deadline)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(uplink.run())
        tasks.create_task(manager.watchdog())
        try:
            await _collect(settings, manager, sampler, uplink, backlog)
        except asyncio.CancelledError:
            await _flush(uplink)
            raise
        finally:
            sampler.close()
            sending.cancel()


async def _collect(
    settings: CollectorSettings, manager: service.Service, sampler: Sampler, uplink: Uplink, backlog: Backlog
) -> None:
    # Rates need two readings: the first goes nowhere.
    await sampler.sample()
    manager.ready("taking the first sample")
    interval = settings.collection_interval
    async for tick in ticks(interval, warm_up(interval)):
        if tick.skipped:
            log.warning("samples.skipped", f"{tick.skipped} samples were not taken: the machine was too busy or asleep")
        sample = await sampler.sample()
        uplink.offer(sample.time_us, sample.layout, sample.values)
        manager.beat("sampler", 2 * interval + 10)
        where = f"connected to {uplink.connected_to}" if uplink.connected_to else "not connected"
        manager.status(f"{len(sample.values)} series every {interval:g} s, {where}, {len(backlog)} unacknowledged")


async def _flush(uplink: Uplink) -> None:
    """Give the last samples a moment to be acknowledged: what is in memory only ends with this process."""
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await uplink.drained()
    except TimeoutError:
        log.warning("samples.lost", "the last samples are not acknowledged and end with this process")


def main() -> None:
    """The command sysmon-collectord."""
    settings = config.from_command_line(CollectorSettings, "Samples this machine and sends what it reads to a hub.")
    service.run(settings, lambda manager: run(settings, manager))


if __name__ == "__main__":
    main()
