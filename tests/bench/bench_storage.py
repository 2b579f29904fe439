"""Bytes a value on disk in each tier of history, index and toast included."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from psycopg import AsyncConnection, sql

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.round import play, storage_of
from sysmonstm.ctl import servers

HOUR = 3600
FOR_EVER = 10.0 * 365 * 24 * HOUR
# Each machine's samples lie between those of the others, as they do when they come.
FRAMES = """
INSERT INTO frames
SELECT begun + make_interval(secs => tick * %(interval)s + machine * %(interval)s / %(machines)s),
    machine, machine, 1, array_fill(machine::real, ARRAY[%(values)s])
FROM (SELECT done AS begun FROM tiers WHERE name = 'minute') AS tier,
    generate_series(%(first)s, %(last)s - 1) AS tick, generate_series(1, %(machines)s) AS machine
ORDER BY tick, machine
"""
MACHINES = """
INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)
SELECT 'bench-' || n, decode(lpad(to_hex(n), 32, '0'), 'hex'), 5, '', '{}' FROM generate_series(1, %s) AS n
"""
# A hypertable's rows are in its chunks, which inherit from it.
SIZE = sql.SQL("""
SELECT (SELECT count(*) FROM {table}), sum(pg_table_size(part)), sum(pg_indexes_size(part)),
    coalesce(sum(pg_total_relation_size(nullif((SELECT reltoastrelid FROM pg_class WHERE oid = part), 0))), 0)
FROM (
    SELECT {name}::regclass AS part
    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = {name}::regclass) AS parts
""")


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=50)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between the frames of a machine")
    parser.add_argument("--hours", type=int, default=24)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sysmon-bench-") as directory:
        Path(directory).chmod(0o755)
        with servers.postgres(Path(directory)) as server:
            print(
                f"storage: {arguments.machines} machines of {arguments.values} values"
                f" every {arguments.interval:g} s for {arguments.hours} h; {server.edition}"
            )
            asyncio.run(measure(server.url, **vars(arguments)))


async def measure(url: str, machines: int, values: int, interval: float, hours: int) -> None:
    """Fill raw history, have it rolled up, and print what each tier takes."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
        await connection.execute(MACHINES, (machines,))
        ticks = int(HOUR / interval)
        for hour in range(hours):
            span = {"first": hour * ticks, "last": (hour + 1) * ticks}
            await connection.execute(FRAMES, span | {"interval": interval, "machines": machines, "values": values})
        row = await (await connection.execute("SELECT extract(epoch FROM max(time))::float8 FROM frames")).fetchone()
        assert row
        await roll_up(connection, row[0] + HOUR)
        await connection.execute("VACUUM")
        for table, stored in (("frames", 1), ("minutes", 3), ("hours", 3)):
            await report(connection, table, values, stored)


async def roll_up(connection: AsyncConnection, now: float) -> None:
    """All that there is at `now`, in seconds since 1970; nothing is dropped."""

    async def between() -> None:
        pass

    keep = Keep(raw=FOR_EVER, minutes=FOR_EVER, hours=FOR_EVER, silent_machines=FOR_EVER)
    await play(connection, keep, await storage_of(connection), now, between)


async def report(connection: AsyncConnection, table: str, values: int, stored: int) -> None:
    """Print a tier's line; `stored` is how many numbers it has of each series."""
    query = SIZE.format(table=sql.Identifier(table), name=sql.Literal(table))
    row = await (await connection.execute(query)).fetchone()
    assert row
    rows, tables, indexes, toast = (int(part) for part in row)
    numbers = rows * values * stored
    total = tables + indexes
    print(
        f"  {table:8} {rows:8} rows, {total / 2**20:6.0f} MiB: {total / numbers:5.2f} bytes a value"
        f" (rows {(tables - toast) / numbers:.2f}, toast {toast / numbers:.2f}, index {indexes / numbers:.2f})"
        + (f", {total / rows / values:.1f} a series with its {stored}" if stored > 1 else "")
    )


if __name__ == "__main__":
    main()
