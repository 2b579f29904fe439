"""How long /history and /api/history take, of 30 days of 1,000 machines, which fill 1.5 GB in /var/tmp."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import psycopg

from sysmonstm.aggregatord.migrate import migrate
from tests.bench.hub import GATEWAY, SETTLE_SECONDS, Hub, daemon, running

CORES = 16
HOUR, DAY = 3600, 86_400
# How much of the newest time is not rolled up into hours yet, and how much not even into minutes; in seconds.
MINUTES_FOR, RAW_FOR = 2 * HOUR, 300
INTERVAL = 5
# Each row has one of so many arrays: to make them costs more than to store them.
ARRAYS = 1000
# Of a question about many machines: for a chart of many, and for the small ones of a page of rows.
COMPARED, CHART_POINTS, ROWS, SMALL_POINTS = 100, 300, 30, 60
WIDE_QUESTIONS, AT_ONCE = 20, 4

FLEET = """
INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)
    SELECT 'm' || n, int8send(n) || int8send(n), %(interval)s, 'bench', '{}' FROM generate_series(1, %(machines)s) AS n;
INSERT INTO streams (stream, machine, durable_seq) SELECT stream, id, 1 FROM machines;
INSERT INTO metrics (name, unit, kind, help, instance_label) VALUES
    ('cpu.percent', 'percent', 'rate', '', ''), ('cpu.core_percent', 'percent', 'rate', '', 'core'),
    ('network.received', 'bytes/s', 'rate', '', 'interface');
INSERT INTO layouts (hash) SELECT stream FROM machines ORDER BY id;
INSERT INTO series SELECT layouts.id, place, metrics.id, CASE WHEN place > 1 THEN place::text ELSE '' END
    FROM layouts, generate_series(1, %(values)s) AS place, metrics WHERE name = CASE
        WHEN place = 1 THEN 'cpu.percent' WHEN place <= 1 + %(cores)s THEN 'cpu.core_percent'
        ELSE 'network.received' END;
CREATE TABLE bench_arrays AS SELECT array_n, array_agg((random() * 100)::real) AS numbers
    FROM generate_series(0, %(arrays)s - 1) AS array_n, generate_series(1, %(values)s) GROUP BY array_n;
"""
# Machine by machine within each time, as the roll-up writes.
ROLLED_UP = """
INSERT INTO {table} (time, machine, stream, layout, samples, low, mean, high)
    SELECT time, machine, machine, machine, %(samples)s, numbers, numbers, numbers
    FROM generate_series(%(first)s::timestamptz, %(last)s, %(step)s) WITH ORDINALITY AS at (time, nth),
        generate_series(1, %(machines)s) AS machine, bench_arrays
    WHERE array_n = (machine * 31 + nth) %% %(arrays)s ORDER BY time, machine
"""
RAW = """
INSERT INTO frames (time, machine, stream, layout, values)
    SELECT time, machine, machine, machine, numbers
    FROM generate_series(%(first)s::timestamptz, %(last)s, %(step)s) WITH ORDINALITY AS at (time, nth),
        generate_series(1, %(machines)s) AS machine, bench_arrays
    WHERE array_n = (machine * 31 + nth) %% %(arrays)s ORDER BY time, machine
"""
TIERS = "UPDATE tiers SET claimed = %(done)s, done = %(done)s WHERE name = %(tier)s"
SIZE = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE oid = 'hours'::regclass OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'hours'::regclass)
"""


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    with running() as hub:
        now = time.time()
        size = fill(hub, now, arguments)
        with daemon("gatewayd", hub.environment):
            time.sleep(SETTLE_SECONDS)
            print(
                f"/history of {arguments.days} days, {arguments.machines} machines of {arguments.values} values"
                f" in the table ({size / 1e9:.2f} GB); {hub.edition}:"
            )
            for metric, what in (("cpu.percent", "1 series"), ("cpu.core_percent", f"{CORES} instances")):
                took = asyncio.run(ask(metric, now, arguments))
                median, tail = statistics.median(took) * 1000, statistics.quantiles(took, n=100)[98] * 1000
                print(f"  {metric}, {what}: {median:.1f} ms median, {tail:.1f} ms p99 of {len(took)}")
            print("/api/history of cpu.percent:")
            for seconds, what in ((HOUR, "1 h"), (arguments.days * DAY, f"{arguments.days} days")):
                for machines, points in ((COMPARED, CHART_POINTS), (ROWS, SMALL_POINTS)):
                    took = asyncio.run(ask_many(machines, points, now - seconds, now, arguments))
                    median, worst = statistics.median(took) * 1000, max(took) * 1000
                    print(
                        f"  {what}, {machines} machines, {points} points:"
                        f" {median:.0f} ms median, {worst:.0f} ms at worst of {len(took)}"
                    )
            took = asyncio.run(ask_meanwhile(now, arguments))
            print(
                f"  one machine's /history of 1 h, while {AT_ONCE} ask for {COMPARED} without a pause:"
                f" {statistics.median(took) * 1000:.0f} ms median, {max(took) * 1000:.0f} ms at worst of {len(took)}"
            )


def fill(hub: Hub, now: float, arguments: argparse.Namespace) -> int:
    """Hours for all the days, minutes and frames for the last while; how many bytes the hours take."""
    url = hub.environment["TIMESCALE_URL"]
    asyncio.run(_migrate(url))
    common = {
        "machines": arguments.machines,
        "values": arguments.values,
        "arrays": ARRAYS,
        "interval": INTERVAL,
        "cores": CORES,
    }
    # Statements with several parts, and values of types that only their place tells, need the client's own quoting.
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement, given in _statements(now, arguments.days):
            connection.execute(statement.encode(), common | given)
        connection.execute("DROP TABLE bench_arrays")
        connection.execute("VACUUM ANALYZE")
        row = connection.execute(SIZE).fetchone()
    return int(row[0]) if row else 0


async def _migrate(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)


def _statements(now: float, days: int) -> Iterator[tuple[str, dict[str, object]]]:
    """What fills the tables, and says so in tiers."""
    hour_done = (now - MINUTES_FOR) // HOUR * HOUR
    minute_done = (now - RAW_FOR) // 60 * 60
    yield FLEET, {}
    for day in range(days, 0, -1):
        yield _rolled_up("hours", hour_done - day * DAY, hour_done - (day - 1) * DAY, HOUR)
    yield _rolled_up("minutes", hour_done, minute_done, 60)
    # Samples stay when they are rolled up.
    yield RAW, _span(now - HOUR, now, INTERVAL)
    for tier, done in (("hour", hour_done), ("minute", minute_done)):
        yield TIERS, {"tier": tier, "done": _moment(done)}


def _rolled_up(table: str, first: float, last: float, step: int) -> tuple[str, dict[str, object]]:
    return ROLLED_UP.format(table=table), _span(first, last, step) | {"samples": step // INTERVAL}


def _span(first: float, last: float, step: int) -> dict[str, object]:
    """From `first` up to `last`, without it."""
    return {"first": _moment(first), "last": _moment(last - 0.001), "step": timedelta(seconds=step)}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def ask(metric: str, now: float, arguments: argparse.Namespace) -> list[float]:
    """Seconds that each question took, each about another machine."""
    chance, took = random.Random(metric), []
    async with aiohttp.ClientSession() as session:
        for _ in range(arguments.questions):
            machine = f"m{chance.randint(1, arguments.machines)}"
            query = {"metric": metric, "from": f"{now - arguments.days * DAY:.3f}", "to": f"{now:.3f}"}
            began = time.perf_counter()
            async with session.get(f"http://{GATEWAY}/api/machines/{machine}/history", params=query) as response:
                answer = await response.json()
            took.append(time.perf_counter() - began)
            assert [one["tier"] for one in answer["tiers"]] == ["hour", "minute", "raw"], answer
            filled = [value is not None for value in answer["series"][0]["mean"]]
            assert sum(filled) >= len(filled) - 1, answer["step_seconds"]
    return took


async def ask_many(machines: int, points: int, start: float, end: float, arguments: argparse.Namespace) -> list[float]:
    """Seconds that each question about so many machines took, each about others."""
    chance, took = random.Random(points), []
    async with aiohttp.ClientSession() as session:
        for _ in range(WIDE_QUESTIONS):
            began = time.perf_counter()
            await _ask_wide(session, chance.sample(range(1, arguments.machines + 1), machines), points, start, end)
            took.append(time.perf_counter() - began)
    return took


async def _ask_wide(session: aiohttp.ClientSession, machines: list[int], points: int, start: float, end: float) -> None:
    query = {
        "metric": "cpu.percent",
        "machines": ",".join(f"m{one}" for one in machines),
        "from": f"{start:.3f}",
        "to": f"{end:.3f}",
        "points": str(points),
    }
    async with session.get(f"http://{GATEWAY}/api/history", params=query) as response:
        answer = await response.json()
    assert len(answer["series"]) == len(machines), answer
    filled = [value is not None for value in answer["series"][0]["mean"]]
    assert sum(filled) >= len(filled) - 1, answer["step_seconds"]


async def ask_meanwhile(now: float, arguments: argparse.Namespace) -> list[float]:
    """Seconds that each question about one machine took while others asked about many."""
    everybody, took = list(range(1, min(COMPARED, arguments.machines) + 1)), []
    async with aiohttp.ClientSession() as session:

        async def press() -> None:
            while True:
                await _ask_wide(session, everybody, CHART_POINTS, now - HOUR, now)

        pressing = [asyncio.create_task(press()) for _ in range(AT_ONCE)]
        for number in range(WIDE_QUESTIONS):
            await asyncio.sleep(0.1)
            query = {"metric": "cpu.percent", "from": f"{now - HOUR:.3f}", "to": f"{now:.3f}"}
            began = time.perf_counter()
            async with session.get(f"http://{GATEWAY}/api/machines/m{number + 1}/history", params=query) as response:
                assert (await response.json())["series"]
            took.append(time.perf_counter() - began)
        for task in pressing:
            assert not task.done(), task.exception()
            task.cancel()
    return took


if __name__ == "__main__":
    main()
