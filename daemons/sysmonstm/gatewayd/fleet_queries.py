"""One metric of many machines from PostgreSQL, some machines at a time, so that other questions get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sysmonstm.gatewayd.buckets import Buckets, Tier
from sysmonstm.gatewayd.parameters import FleetHistoryRequest
from sysmonstm.gatewayd.pool import Connection, DatabaseError
from sysmonstm.gatewayd.queries import KEPT, MAX_GAPS, POOL_SIZE, Database, SeriesRow, moment

# A statement for so many takes a tenth of a second or two; one for each machine costs little more.
PORTION = 10
# The other connections are for questions about one machine, events and alerts.
PORTIONS_AT_ONCE = POOL_SIZE // 2
# Each holds what it was told so far.
QUESTIONS_AT_ONCE = 8
# From when it is asked, waiting included.
QUESTION_SECONDS = 10.0

MACHINES = "SELECT name, id, interval_seconds FROM machines WHERE name = ANY (%(names)s)"

# The newest first.
MEANINGS = "SELECT unit, kind FROM metrics WHERE name = %(metric)s ORDER BY id DESC"

# One row for each instance, as of a single machine.
HISTORY = """
SELECT asked.name, read.* FROM unnest(%(names)s::text[]) WITH ORDINALITY AS asked (name, nth)
CROSS JOIN LATERAL (
    SELECT instance, max(unit), array_agg(round(date_part('epoch', time - %(start)s) * 1000000 / %(step_us)s)::integer),
        array_agg(min), array_agg(mean), array_agg(max)
    FROM history(asked.name, %(metric)s, %(from)s, %(to)s, %(step)s, %(instance)s, NULL, %(start)s)
    WHERE count > 0 GROUP BY instance) AS read
ORDER BY asked.nth, read.instance COLLATE "C"
"""

# Those whose newest sample has the metric, of whatever tier it is left in.
HAVING_NOW = """
SELECT name FROM machines WHERE id = ANY (%(machines)s) AND EXISTS (
    SELECT FROM series JOIN metrics ON metrics.id = series.metric
    WHERE metrics.name = %(metric)s AND layout = coalesce(
        (SELECT layout FROM frames WHERE machine = machines.id ORDER BY time DESC LIMIT 1),
        (SELECT layout FROM minutes WHERE machine = machines.id ORDER BY time DESC LIMIT 1),
        (SELECT layout FROM hours WHERE machine = machines.id ORDER BY time DESC LIMIT 1)))
"""

GAPS = """
SELECT machines.name, from_time, to_time, last_seq - first_seq + 1, reason
FROM gaps JOIN machines ON machines.id = gaps.machine
WHERE gaps.machine = ANY (%(machines)s)
    AND coalesce(from_time, to_time, noted) < %(to)s AND coalesce(to_time, from_time, noted) >= %(from)s
ORDER BY coalesce(from_time, to_time, noted) DESC, first_seq DESC LIMIT %(most_gaps)s
"""


class Meaning(NamedTuple):
    """What a metric's numbers mean, or have meant."""

    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class Known:
    """What history knows of what is asked for.

    `ids` has the machines that there are, by name, and `interval_us` is the longest of theirs. `meanings` has what the
    metric has ever meant, the newest first.
    """

    ids: dict[str, int]
    interval_us: int
    tiers: tuple[Tier, ...]
    meanings: list[Meaning]


class MachineGapRow(NamedTuple):
    """Frames of a machine that are lost for good. The times are of those before and after, None where not known."""

    machine: str
    start: datetime | None
    end: datetime | None
    frames: int
    reason: str


class FleetHistory:
    """The questions. Those that come while many are being answered wait, and are refused if they wait for too long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._turns = asyncio.Semaphore(PORTIONS_AT_ONCE)

    @asynccontextmanager
    async def question(self) -> AsyncIterator[Question]:
        """A question, in its turn; DatabaseError if that does not come in time."""
        deadline = asyncio.get_running_loop().time() + QUESTION_SECONDS
        async with _turn(self._questions, deadline):
            yield Question(self._database, self._turns, deadline)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that is asked for one answer. `deadline` is on the loop's clock."""

    _database: Database
    _turns: asyncio.Semaphore
    _deadline: float

    async def known(self, asked: FleetHistoryRequest) -> Known:
        """What is known of the machines and the metric."""
        arguments = {"names": list(asked.machines), "metric": asked.metric}
        async with self._connection() as connection:
            machines = await (await connection.execute(MACHINES, arguments)).fetchall()
            tiers = await (await connection.execute(KEPT)).fetchall()
            meanings = await (await connection.execute(MEANINGS, arguments)).fetchall()
        return Known(
            {name: number for name, number, _ in machines},
            round(max((seconds for _, _, seconds in machines), default=0.0) * 1e6),
            tuple(Tier(*tier) for tier in tiers),
            [Meaning(*row) for row in meanings],
        )

    async def series(
        self, names: Sequence[str], asked: FleetHistoryRequest, buckets: Buckets
    ) -> AsyncGenerator[tuple[str, SeriesRow], None]:
        """Machine by machine what was read in these buckets; no row takes long to be told."""
        arguments = {
            "metric": asked.metric,
            "instance": asked.instance,
            "from": moment(asked.from_us),
            "to": moment(asked.to_us),
            "step": timedelta(microseconds=buckets.step_us),
            "step_us": buckets.step_us,
            "start": moment(buckets.start_us),
        }
        for portion in _portions(names):
            async with self._connection() as connection:
                found = await connection.execute(HISTORY, arguments | {"names": portion})
                # Numbers are made of a row's text only here, and live clients get their turn after each.
                async for machine, *row in found:
                    yield machine, SeriesRow(*row)
                    await asyncio.sleep(0)

    async def having_now(self, machines: Sequence[int], metric: str) -> set[str]:
        """The names of those of these machines that have the metric now."""
        arguments = {"machines": list(machines), "metric": metric}
        async with self._connection() as connection:
            rows = await (await connection.execute(HAVING_NOW, arguments)).fetchall()
        return {row[0] for row in rows}

    async def gaps(self, machines: Sequence[int], asked: FleetHistoryRequest) -> list[MachineGapRow]:
        """What is lost of these machines in the range, by time; of very many gaps the newest."""
        arguments = {
            "machines": list(machines),
            "from": moment(asked.from_us),
            "to": moment(asked.to_us),
            "most_gaps": MAX_GAPS,
        }
        async with self._connection() as connection:
            rows = await (await connection.execute(GAPS, arguments)).fetchall()
        return [MachineGapRow(*row) for row in reversed(rows)]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with _turn(self._turns, self._deadline), self._database.connection() as connection:
            yield connection


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore, deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            # Where there is no need to wait, nobody would look at the time.
            await asyncio.sleep(0)
            await turns.acquire()
    except TimeoutError:
        raise DatabaseError(
            f"PostgreSQL took longer than {QUESTION_SECONDS:g} s for this and for what was asked before it; "
            "ask for fewer machines or a shorter range, or again soon"
        ) from None
    try:
        yield
    finally:
        turns.release()


def _portions(names: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(names), PORTION):
        yield list(names[first : first + PORTION])
