"""A thousand collectors at once."""

from __future__ import annotations

import asyncio
import time

import psutil

from tests.faults.stage import Stage
from tests.faults.watch import Sight, watching

MACHINES = 1000
# In seconds; for all of them to be connected, on a machine that has other things to do.
PATIENCE = 150
MOST_MEMORY_BYTES = 600 * 2**20


async def test_a_thousand_collectors_come_back_at_once(stage: Stage) -> None:
    """With what they have gathered meanwhile. All of it is settled, and aggregatord's memory is bounded."""
    hub = await stage.aggregator()
    collectors = stage.collect(hub.address, machines=MACHINES, interval=4, backlog=5, span=9000)
    await collectors.ready()
    async with watching(stage.servers.redis.url) as sight:
        await stage.within(PATIENCE, "all of them are seen", lambda: _seen_since(sight, 0) == MACHINES)
        hub.kill()
        await asyncio.sleep(max(3.0, stage.seconds))
        hub.start()
        back, most = time.time(), [0]

        def all_seen() -> bool:
            most.append(psutil.Process(hub.pid).memory_info().rss)
            return _seen_since(sight, back) == MACHINES

        await stage.within(PATIENCE, "all of them are seen again", all_seen)
    print(f"all are seen again after {time.time() - back:.1f} s; aggregatord took {max(most) / 2**20:.0f} MiB at most")
    assert max(most) < MOST_MEMORY_BYTES
    await stage.settle(fewest=6 * MACHINES)


def _seen_since(sight: Sight, since: float) -> int:
    """Of how many machines a sample was seen that was taken later."""
    return sum(taken > since for taken, _ in sight.seen.values())
