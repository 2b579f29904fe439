"""Rounds of the roll-up on a connection of their own, at any time of day, and cut short anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg import AsyncConnection

from sysmonstm.aggregatord.history.connection import connected
from sysmonstm.aggregatord.rollup import late, make
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.round import play, steps, storage_of

HOUR = 3600
DAY = 86400
KEEP = Keep(raw=2 * HOUR, minutes=DAY, hours=30 * DAY, silent_machines=3650 * DAY)


async def _nothing() -> None:
    """Between steps."""


async def roll_up(url: str, now: float, keep: Keep = KEEP) -> None:
    """One whole round."""
    async with connected(url) as connection:
        await play(connection, keep, await storage_of(connection), now, _nothing)


async def roll_up_in_part(url: str, now: float, most_steps: int, keep: Keep = KEEP) -> None:
    """A round of an aggregator that is killed after that many transactions."""
    async with connected(url) as connection:
        done = 0
        for step in steps(keep, await storage_of(connection), now):
            while done < most_steps and await step(connection):
                done += 1
            done += 1


async def roll_up_until_terminated(url: str, now: float, copies: int, keep: Keep = KEEP) -> bool:
    """A round whose connection the server ends in the midst of the transaction of that COPY; whether it came so far."""
    with _terminating(url, copies):
        try:
            await roll_up(url, now, keep)
        except psycopg.OperationalError:
            return True
    return False


@contextmanager
def _terminating(url: str, copies: int) -> Iterator[None]:
    original, left = make.copy_in, copies

    async def copy_in(connection: AsyncConnection, table: Any, rows: bytes) -> None:
        nonlocal left
        await original(connection, table, rows)
        left -= 1
        if left == 0:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

    with patch.object(make, "copy_in", copy_in), patch.object(late, "copy_in", copy_in):
        yield
