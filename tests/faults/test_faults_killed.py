"""kill -9: aggregatord, collectors, and all of PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import psycopg

from tests.faults import checks
from tests.faults.schedule import Fault, Span
from tests.faults.stage import FRESH_SECONDS, Stage, assert_none
from tests.faults.system import Process, newest_seqs
from tests.faults.watch import watching
from tests.shared.real_server import until

# Samples of hours before the scenario: they come late, and roll-ups have something to do.
HISTORY = {"backlog": 60, "span": 9000}


async def test_aggregatord_is_killed_every_five_seconds(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)

    async def kill(fault: Fault) -> None:
        hub.kill()
        await asyncio.sleep(fault.lasts)
        hub.start()

    async with watching(stage.servers.redis.url) as sight:
        ended = await stage.strike(stage.plan("kill", after=Span(5, 5), lasts=Span(0, 0.5), fewest=2), kill)
        await stage.fresh(sight, ended, every=False)
    await stage.settle(fewest=8 * 100)


async def test_collectors_are_killed(stage: Stage) -> None:
    hub = await stage.aggregator()
    collectors = stage.collect(hub.address, machines=8, **HISTORY)

    async def kill(fault: Fault) -> None:
        collectors.kill()
        assert_none(checks.at_rest(stage.ledger(), stage.stored(), await collectors.spooled()))
        await asyncio.sleep(fault.lasts)
        collectors.start()

    async with watching(stage.servers.redis.url) as sight:
        ended = await stage.strike(stage.plan("kill", after=Span(0.5, 3), lasts=Span(0, 0.5), fewest=3), kill)
        await stage.fresh(sight, ended)
    book = await stage.everything_acknowledged()
    assert len(stage.stored().durable) == 8, "a collector that comes back goes on with its stream"
    assert all(len(origin.unplaced) <= 1 + len(stage.processes) for origin in book.origins.values())
    await stage.settle()


async def test_the_real_collectord_is_killed(stage: Stage, tmp_path: Path) -> None:
    hub = await stage.aggregator()
    spool = tmp_path / "real-spool"
    settings = {
        "COLLECTOR_AGGREGATOR_URL": hub.address,
        "COLLECTOR_MACHINE_ID": "real",
        "COLLECTOR_COLLECTION_INTERVAL": "0.1",
        "COLLECTOR_SPOOL_DIRECTORY": str(spool),
        "COLLECTOR_SPOOL_FREE_BYTES": "0",
    }
    collectord = Process([sys.executable, "-m", "sysmonstm.collectord"], settings, tmp_path / "collectord.log")
    stage.processes.append(collectord)
    collectord.start()

    async with watching(stage.servers.redis.url) as sight:
        await until("its samples are seen", lambda: "real" in sight.seen)
        for fault in stage.plan("kill", after=Span(0.5, 3), lasts=Span(0, 0.5), fewest=3):
            await asyncio.sleep(fault.after)
            collectord.kill()
            await asyncio.sleep(fault.lasts)
            collectord.start()
        waited = await sight.fresh(["real"], time.time(), 1)
        print(f"fresh after {waited[0]:.2f} s")
        assert waited[0] < FRESH_SECONDS
        # It waits for its last samples to be acknowledged.
        await collectord.stop()
    have = stage.stored()
    newest = await newest_seqs(spool)
    print(f"{len(have.frames)} stored")
    assert have.durable == newest, "all that it issued, on one stream, is settled"
    assert_none(list(checks.miscounted(have)))
    assert not have.gaps
    assert not have.rejects


async def test_all_of_postgresql_is_killed(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=8, **HISTORY)

    async with watching(stage.servers.redis.url) as sight:
        faults = stage.plan("kill", after=Span(1, 3), lasts=Span(0, 1), fewest=2)
        ended = await stage.strike(faults, lambda fault: _kill_postgresql(stage, fault))
        await stage.fresh(sight, ended)
    await stage.settle(fewest=8 * 80)


async def _kill_postgresql(stage: Stage, fault: Fault) -> None:
    stage.servers.postgres.kill()
    await asyncio.sleep(fault.lasts)
    await asyncio.to_thread(stage.servers.postgres.start)


async def test_without_synchronous_commit_acknowledged_samples_are_lost_and_that_is_found(stage: Stage) -> None:
    """The control: the same faults on a writer whose commits do not wait for the disk must fail the same check."""
    # Even the server's own laziness lasts longer than usual, so that each kill finds something to lose.
    with psycopg.connect(stage.database, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '5s'")
        connection.execute("SELECT pg_reload_conf()")
    try:
        await _lose(stage)
    finally:
        with psycopg.connect(stage.database, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET wal_writer_delay")
            connection.execute("SELECT pg_reload_conf()")


async def _lose(stage: Stage) -> None:
    hub = await stage.aggregator(module="tests.faults.unsafe_aggregatord")
    # It must lose samples, not its tables.
    with psycopg.connect(stage.database, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    stage.collect(hub.address, machines=8, interval=0.05)
    for fault in stage.plan("kill", after=Span(2, 3), fewest=5):
        await asyncio.sleep(fault.after)
        await _kill_postgresql(stage, fault)
        if lost := checks.lost(stage.ledger(), stage.stored()):
            print(f"{len(lost)} acknowledged samples are lost, as was to be shown")
            return
    raise AssertionError("the check sees no loss where there must be some")
