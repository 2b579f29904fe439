"""Columnar compression of old chunks, which TimescaleDB has on its Community licence only.

Since TimescaleDB 2.11 rows go into compressed chunks as into others, and a row that is there already is found by its
key. What is put in, or unpacked by a DELETE, stays as it is until the chunk is dropped. A DELETE unpacks whole batches,
chosen by constants in its conditions, of which it must therefore have some. While a chunk is being compressed, nobody
writes to it.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import AsyncConnection, sql

from sysmonstm import logs
from sysmonstm.aggregatord.rollup.tiers import HOUR

log = logs.logger(__name__)

# From how many seconds ago on; a chunk's own length more, before it is over. Most late frames have come by then.
COMPRESSED_AFTER: tuple[tuple[LiteralString, LiteralString, int], ...] = (
    ("frames", "time, stream", 6 * HOUR),
    ("minutes", "time, stream, layout", 24 * HOUR),
    ("hours", "time, stream, layout", 30 * 24 * HOUR),
)
# One chunk may take longer than other statements.
COMPRESS_SECONDS = 600

_READY = "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = %s"
_PREPARE = sql.SQL("""
ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = 'machine',
    timescaledb.compress_orderby = {order})
""")
_NEXT_CHUNK = """
SELECT format('%%I.%%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
WHERE hypertable_name = %s AND NOT is_compressed AND range_end < to_timestamp(%s) ORDER BY range_end LIMIT 1
"""
_COMPRESS = "SELECT compress_chunk(%s::regclass, if_not_compressed => true)"


async def compress_a_chunk(connection: AsyncConnection, now: float) -> bool:
    """Compress the oldest chunk that is due; whether there was one. For the Community licence only."""
    for table, order, age in COMPRESSED_AFTER:
        await _prepare(connection, table, order)
        row = await (await connection.execute(_NEXT_CHUNK, (table, now - age))).fetchone()
        if row is not None:
            async with connection.transaction():
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{COMPRESS_SECONDS}s",))
                await connection.execute(_COMPRESS, (row[0],))
            return True
    return False


async def _prepare(connection: AsyncConnection, table: LiteralString, order: LiteralString) -> None:
    row = await (await connection.execute(_READY, (table,))).fetchone()
    if row is not None and not row[0]:
        await connection.execute(_PREPARE.format(table=sql.Identifier(table), order=sql.Literal(order)))
        log.info("rollup.compresses", f"old chunks of {table} are compressed from now on", table=table)
