"""Clocks that jump, and samples that come long after they were taken."""

from __future__ import annotations

import asyncio
import time

from sysmonstm import bus
from tests.faults import checks, rollups
from tests.faults.schedule import Fault, Span
from tests.faults.stage import Stage, assert_none
from tests.faults.watch import watching
from tests.shared.real_server import until

HOUR = 3600
DAY = 24 * HOUR


async def test_clocks_jump(stage: Stage) -> None:
    """What is more than a day ahead or from before 2000 is kept apart and acknowledged; all else is stored as it is."""
    ahead, behind = stage.rng.randrange(DAY + 60, 40 * DAY), stage.rng.randrange(60, 40 * HOUR)
    jumps = {1: "0", 21: str(ahead), 41: str(-behind), 61: "1970", 81: "-5", 101: str(23 * HOUR), 121: "0"}
    print(f"jumps: {jumps}")
    hub = await stage.aggregator()
    clock = ",".join(f"{number}:{jump}" for number, jump in jumps.items())
    stage.collect(hub.address, machines=4, interval=0.05, samples=160, clock=clock)
    async with watching(stage.servers.redis.url) as sight:
        await until("all samples are taken", lambda: stage.ledger().issued == 4 * 160)
        await until("the newest is seen, whatever the clocks say", lambda: _shown(sight.fleet) == [160] * 4)
    have = await stage.settle(fewest=4 * 160)
    refused = {int(reject.values[0]) for reject in have.rejects}
    assert refused == {*range(21, 41), *range(61, 81)}
    assert len(have.rejects) == 4 * 40


def _shown(fleet: bus.Fleet) -> list[int]:
    return [machine.frame.frame.seq if machine.frame else 0 for machine in fleet.machines.values()]


async def test_a_shuffled_backlog_of_a_day_comes_while_aggregatord_and_postgresql_are_killed(stage: Stage) -> None:
    hub = await stage.aggregator()
    stage.collect(hub.address, machines=6, backlog=1000, span=DAY, shuffle=True)

    async def strike(fault: Fault) -> None:
        if fault.kind == "aggregatord":
            hub.kill()
            hub.start()
        else:
            stage.servers.postgres.kill()
            await asyncio.to_thread(stage.servers.postgres.start)

    faults = stage.plan("aggregatord", "postgresql", after=Span(0.5, 2), fewest=2)
    async with watching(stage.servers.redis.url) as sight:
        ended = await stage.strike(faults, strike)
        await stage.fresh(sight, ended, every=False)
    await stage.settle(fewest=6 * 1000)


async def test_frames_that_are_older_than_raw_history_are_counted_into_its_roll_ups_once(stage: Stage) -> None:
    hub = await stage.aggregator(AGGREGATOR_KEEP_RAW_HOURS="1", AGGREGATOR_KEEP_MINUTES_DAYS="0.8")
    # These make the tiers move on, so that what follows comes too late for them.
    stage.collect(hub.address, machines=1, backlog=50, span=10)
    await until("raw history is cut", lambda: stage.stored().tiers["raw"].kept_from_us > (time.time() - DAY) * 1e6)
    stage.collect(hub.address, machines=4, first_origin=11, backlog=800, span=DAY, shuffle=True)
    faults = stage.plan("aggregatord", after=Span(0.5, 2), fewest=2)

    async def strike(fault: Fault) -> None:
        hub.kill()
        hub.start()

    for fault in faults:
        await asyncio.sleep(fault.after)
        await strike(fault)
    book = await stage.everything_acknowledged(fewest=4 * 800)
    have = await stage.rolled_up(book)
    assert_none(checks.unfaithful(book, have))
    raw_from = have.tiers["raw"].kept_from_us
    missing = [taken for taken in rollups.kept(book, have) if taken.time_us >= raw_from]
    assert len(missing) == len([row for row in have.frames if row.time_us >= raw_from])
    assert len(have.frames) < book.issued - 2000, "most came too late for raw history"
