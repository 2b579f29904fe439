"""What rolling up costs: CPU of the aggregator and of PostgreSQL a frame, and how long the event loop has to wait."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from psycopg import AsyncConnection

from sysmonstm.aggregatord.history.connection import connected
from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.aggregatord.rollup.hours import make_new_hours
from sysmonstm.aggregatord.rollup.minutes import make_new_minutes, remake_marked_minutes
from sysmonstm.aggregatord.rollup.round import Step
from sysmonstm.aggregatord.rollup.tiers import HOUR, claim_minutes
from sysmonstm.ctl import servers
from tests.bench.processes import cpu_seconds

INTERVAL = 5
START = 1_772_323_200  # an hour's
MACHINES = """
INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)
SELECT 'bench-' || n, '', 5, '', '{}' FROM generate_series(1, %s) AS n
"""
TIERS = "UPDATE tiers SET claimed = to_timestamp(%s), done = to_timestamp(%s)"
# Each machine's samples lie between those of the others, as they do when they come. Every tenth series is never read.
FRAMES = """
INSERT INTO frames
SELECT to_timestamp(%(start)s + tick * %(interval)s + machine * %(interval)s / %(machines)s::float8),
    machine, machine, 1,
    array_fill(machine + tick::real, ARRAY[%(values)s * 9 / 10]) ||
        array_fill('NaN'::real, ARRAY[%(values)s - %(values)s * 9 / 10])
FROM generate_series(0, %(ticks)s - 1) AS tick, generate_series(1, %(machines)s) AS machine
ORDER BY tick, machine
"""
MARKS = "INSERT INTO dirty_minutes SELECT machine, time FROM minutes"


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--hours", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sysmon-bench-") as directory:
        Path(directory).chmod(0o755)
        with servers.postgres(Path(directory)) as server:
            print(
                f"roll-up: {arguments.machines} machines of {arguments.values} values every {INTERVAL} s"
                f" for {arguments.hours} h; {server.edition}"
            )
            asyncio.run(measure(server.url, **vars(arguments)))


async def measure(url: str, machines: int, values: int, hours: int) -> None:
    """Fill raw, roll it up step by step, and print."""
    ticks = hours * HOUR // INTERVAL
    async with await AsyncConnection.connect(url, autocommit=True) as filling:
        await migrate(filling)
        await filling.execute(MACHINES, (machines,))
        await filling.execute(TIERS, (START, START))
        shape = {"machines": machines, "values": values, "ticks": ticks, "interval": INTERVAL, "start": START}
        await filling.execute(FRAMES, shape)
    async with connected(url) as connection:
        await claim_minutes(connection, START + hours * HOUR + 60)
        await part("minutes from frames", connection, make_new_minutes, machines * ticks)
        await part("hours from minutes", connection, make_new_hours, machines * ticks)
        await connection.execute(MARKS)
        await part("marked minutes anew", connection, remake_marked_minutes, machines * ticks)


async def part(name: str, connection: AsyncConnection, step: Step, frames: int) -> None:
    """Do a step until there is no more of it, and print what it took."""
    backend = connection.info.backend_pid
    stalls = asyncio.create_task(longest_stall())
    here, there, started = time.process_time(), cpu_seconds(backend), time.monotonic()
    while await step(connection):
        pass
    seconds, here, there = time.monotonic() - started, time.process_time() - here, cpu_seconds(backend) - there
    stalls.cancel()
    print(
        f"  {name}: {(here + there) / frames * 1e6:.1f} µs CPU a frame, {here / frames * 1e6:.1f} of it in the"
        f" aggregator; {frames / seconds:,.0f} frames a second; the loop waited {await stalls * 1000:.0f} ms at most"
    )


async def longest_stall() -> float:
    """By how many seconds a task that wants to run every millisecond was late at most, until it is cancelled."""
    longest, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            longest, last = max(longest, now - last - 0.001), now
    except asyncio.CancelledError:
        return longest


if __name__ == "__main__":
    main()
