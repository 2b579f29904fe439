"""One round of the leader: what it does, in which order, in steps that are each at most a few seconds' work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import AsyncConnection

from sysmonstm.aggregatord.history.connection import LETTING_GO_SECONDS, answered, edition_of
from sysmonstm.aggregatord.rollup.compress import COMPRESS_SECONDS, compress_a_chunk
from sysmonstm.aggregatord.rollup.forget import delete_forgotten_history, forget_silent_machines
from sysmonstm.aggregatord.rollup.hours import make_new_hours, remake_marked_hours
from sysmonstm.aggregatord.rollup.late import merge_late_frames
from sysmonstm.aggregatord.rollup.minutes import make_new_minutes, remake_marked_minutes
from sysmonstm.aggregatord.rollup.retention import Keep, drop_old_news, drop_old_rows, move_lines
from sysmonstm.aggregatord.rollup.tiers import claim_minutes
from sysmonstm.beats import UNWATCHED, Loop

# A step that takes longer is on a server that hangs.
STEP_SECONDS = 120.0

Step = Callable[[AsyncConnection], Coroutine[Any, Any, bool]]
"""Does some of its work, all or nothing of it; True where there is more to do."""

_HYPERTABLES = """
SELECT count(*) = 3 FROM timescaledb_information.hypertables WHERE hypertable_name IN ('frames', 'minutes', 'hours')
"""


@dataclass(frozen=True, slots=True)
class Storage:
    """What the tiers lie in."""

    hypertables: bool
    compression: bool


async def storage_of(connection: AsyncConnection) -> Storage:
    """What this database has: compression is the Community licence's."""
    edition = await edition_of(connection)
    if edition.timescaledb is None:
        return Storage(hypertables=False, compression=False)
    row = await (await connection.execute(_HYPERTABLES)).fetchone()
    hypertables = row is not None and bool(row[0])
    return Storage(hypertables, compression=hypertables and edition.community)


def steps(keep: Keep, storage: Storage, now: float) -> list[Step]:
    """What there is to do at `now`, in seconds since 1970. Each is done until there is no more, then the next."""
    return [
        partial(claim_minutes, now=now),
        make_new_minutes,
        remake_marked_minutes,
        merge_late_frames,
        make_new_hours,
        remake_marked_hours,
        partial(move_lines, keep=keep, now=now),
        partial(drop_old_rows, hypertables=storage.hypertables),
        partial(drop_old_news, keep=keep, now=now),
        partial(forget_silent_machines, seconds=keep.silent_machines, now=now),
        partial(delete_forgotten_history, now=now),
    ]


async def play(
    connection: AsyncConnection,
    keep: Keep,
    storage: Storage,
    now: float,
    between: Callable[[], Awaitable[None]],
    loop: Loop = UNWATCHED,
) -> None:
    """Do a round; `between` is awaited after each step that has more to do. TimeoutError if the server hangs.

    `loop` is excused for as long as each step may take.
    """
    for step in steps(keep, storage, now):
        await _finish(partial(_answer, connection, step, STEP_SECONDS, loop), between)
    if storage.compression:
        compress = partial(compress_a_chunk, now=now)
        await _finish(partial(_answer, connection, compress, COMPRESS_SECONDS, loop), between)


async def _finish(step: Callable[[], Awaitable[bool]], between: Callable[[], Awaitable[None]]) -> None:
    while await step():
        await between()


async def _answer(connection: AsyncConnection, step: Step, seconds: float, loop: Loop) -> bool:
    with loop.waits(seconds + LETTING_GO_SECONDS):
        return await answered(connection, seconds, step(connection))
