"""Keeps an aggregator's part in the roll-up: one of all aggregators leads, the others stand by.

It has a connection of its own, and nothing waits for it: a database that is away or hangs costs rounds, not samples.
Whoever holds the lock leads; who dies loses it with the connection.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection

from sysmonstm import logs
from sysmonstm.aggregatord.history.connection import CONNECTING_SECONDS, LETTING_GO_SECONDS, answered, connected
from sysmonstm.aggregatord.history.locks import LEADER_LOCK
from sysmonstm.aggregatord.rollup.forget import Notice
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.round import Storage, play, storage_of
from sysmonstm.aggregatord.rollup.tiers import read_tiers
from sysmonstm.backoff import full_jitter
from sysmonstm.beats import UNWATCHED, Loop

log = logs.logger(__name__)

T = TypeVar("T")

APPLICATION = "sysmon-aggregatord-rollup"
# How often it looks for forgotten machines, and whether it may lead.
LOOK_SECONDS = 3.0
ANSWER_SECONDS = 30.0
# How late it may wake up.
WAKING_SECONDS = 4.0
RETRY_BASE_SECONDS = 1.0
RETRY_CAP_SECONDS = 60.0

# A leader whose machine is gone loses its lock when the server finds out.
_SETTINGS = """
SET statement_timeout = '60s';
SET tcp_keepalives_idle = 15;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3
"""
# The last of what a round needs; whoever writes brings the schema up to date.
_SCHEMA = "SELECT to_regprocedure('forget_machine(text)') IS NOT NULL AND to_regclass('tiers') IS NOT NULL"
_LEAD = "SELECT pg_try_advisory_lock(%s)"
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


@dataclass(frozen=True, slots=True)
class RollupState:
    """`leads`: this aggregator is the one; `failure`: why it cannot do its part, None if it can; `done`: up to when
    minutes are made as this one last saw it, in seconds since 1970, None if it does not lead.
    """

    leads: bool = False
    failure: str | None = None
    done: int | None = None


class Rollup:
    """This aggregator's part."""

    def __init__(self, url: str, interval: float, keep: Keep, loop: Loop = UNWATCHED) -> None:
        """`loop` is told how `run` goes."""
        self._url = url
        # Seconds from one round to the next, and how long everything is kept; both may change while it runs.
        self.interval = interval
        self.keep = keep
        self._loop = loop
        self._notice = Notice()
        self._failures = 0
        self._looked = 0.0
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self.state = RollupState()

    async def run(self, forgotten: Callable[[list[str]], None]) -> None:
        """Roll up for ever. `forgotten` is told the names of machines that were forgotten since this began."""
        while True:
            try:
                async with AsyncExitStack() as opened:
                    with self._loop.waits(CONNECTING_SECONDS + LETTING_GO_SECONDS):
                        connection = await opened.enter_async_context(connected(self._url, APPLICATION))
                    await self._serve(connection, forgotten)
            # Whatever the database says of a round, even that a statement is wrong, must not end what takes samples.
            except (psycopg.Error, TimeoutError) as error:
                self._fails(str(error).strip() or type(error).__name__)
            await self._pause(full_jitter(self._failures, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS, self._rng))
            self._failures += 1

    async def _pause(self, seconds: float) -> None:
        with self._loop.waits(seconds + WAKING_SECONDS):
            await asyncio.sleep(seconds)

    async def _serve(self, connection: AsyncConnection, forgotten: Callable[[list[str]], None]) -> None:
        await self._ask(connection, _first(connection, _SETTINGS))
        while not await self._ask(connection, _first(connection, _SCHEMA)):
            await self._pause(LOOK_SECONDS)
        storage = await self._ask(connection, storage_of(connection))
        leads, last_round = False, -math.inf
        while True:
            await self._look(connection, forgotten)
            leads = leads or bool(await self._ask(connection, _first(connection, _LEAD, LEADER_LOCK)))
            if not leads:
                self._works(RollupState())
            elif time.monotonic() >= last_round + self.interval:
                last_round = time.monotonic()
                await self._round(connection, storage, forgotten)
            await self._pause(LOOK_SECONDS)

    async def _ask(self, connection: AsyncConnection, work: Coroutine[Any, Any, T]) -> T:
        with self._loop.waits(ANSWER_SECONDS + LETTING_GO_SECONDS):
            return await answered(connection, ANSWER_SECONDS, work)

    async def _look(self, connection: AsyncConnection, forgotten: Callable[[list[str]], None]) -> None:
        if names := await self._ask(connection, self._notice.news(connection)):
            forgotten(names)
        self._looked = time.monotonic()

    async def _round(
        self, connection: AsyncConnection, storage: Storage, forgotten: Callable[[list[str]], None]
    ) -> None:
        async def between() -> None:
            # A round may take long, where much has come while nobody led.
            if time.monotonic() - self._looked > LOOK_SECONDS:
                await self._look(connection, forgotten)

        # A clock that is ahead would drop what it should not; both must be.
        now = min(time.time(), float(await self._ask(connection, _first(connection, _NOW))))
        started = time.monotonic()
        await play(connection, self.keep, storage, now, between, self._loop)
        tiers = await self._ask(connection, read_tiers(connection))
        seconds = round(time.monotonic() - started, 3)
        log.debug("rollup.round", "minutes and hours are made", done=tiers.minute_done, seconds=seconds)
        self._works(RollupState(leads=True, done=tiers.minute_done))

    def _works(self, state: RollupState) -> None:
        if self.state.failure is not None:
            log.info("rollup.back", "the roll-up goes on")
        if state.leads and not self.state.leads:
            log.info("rollup.leads", "this aggregator rolls up and drops what is old")
        self._failures = 0
        self.state = state

    def _fails(self, reason: str) -> None:
        if self.state.failure is None:
            log.warning("rollup.failed", "the roll-up cannot go on, and drops nothing; it tries again", reason=reason)
        self.state = RollupState(failure=reason)


async def _first(connection: AsyncConnection, query: LiteralString, *arguments: object) -> Any:
    """The first field of the first row, if it gives any."""
    cursor = await connection.execute(query, arguments or None)
    row = await cursor.fetchone() if cursor.description else None
    return row[0] if row else None
