"""Keeps an aggregator's part in the roll-up: one of all aggregators leads, the others stand by.

It has a connection of its own, and nothing waits for it: a database that is away or hangs costs rounds, not samples.
Whoever holds the lock leads; who dies loses it with the connection.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from sysmonstm import logs
from sysmonstm.aggregatord.history.connection import answered, connected
from sysmonstm.aggregatord.history.locks import LEADER_LOCK
from sysmonstm.aggregatord.rollup.forget import Notice
from sysmonstm.aggregatord.rollup.retention import Keep
from sysmonstm.aggregatord.rollup.round import Storage, play, storage_of
from sysmonstm.aggregatord.rollup.tiers import read_tiers
from sysmonstm.backoff import full_jitter

log = logs.logger(__name__)

APPLICATION = "sysmon-aggregatord-rollup"
# How often it looks for forgotten machines, and whether it may lead.
LOOK_SECONDS = 3.0
ANSWER_SECONDS = 30.0
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

    def __init__(self, url: str, interval: float, keep: Keep) -> None:
        self._url = url
        self._interval = interval
        self._keep = keep
        self._notice = Notice()
        self._failures = 0
        self._looked = 0.0
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self.state = RollupState()

    async def run(self, forgotten: Callable[[list[str]], None]) -> None:
        """Roll up for ever. `forgotten` is told the names of machines that were forgotten since this began."""
        while True:
            try:
                async with connected(self._url, APPLICATION) as connection:
                    await self._serve(connection, forgotten)
            # Whatever the database says of a round, even that a statement is wrong, must not end what takes samples.
            except (psycopg.Error, TimeoutError) as error:
                self._fails(str(error).strip() or type(error).__name__)
            await asyncio.sleep(full_jitter(self._failures, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS, self._rng))
            self._failures += 1

    async def _serve(self, connection: AsyncConnection, forgotten: Callable[[list[str]], None]) -> None:
        await _answer(connection, _SETTINGS)
        while not await _answer(connection, _SCHEMA):  # noqa: ASYNC110 - another process may make it
            await asyncio.sleep(LOOK_SECONDS)
        storage = await answered(connection, ANSWER_SECONDS, storage_of(connection))
        leads, next_round = False, 0.0
        while True:
            await self._look(connection, forgotten)
            leads = leads or bool(await _answer(connection, _LEAD, LEADER_LOCK))
            if not leads:
                self._works(RollupState())
            elif time.monotonic() >= next_round:
                next_round = time.monotonic() + self._interval
                await self._round(connection, storage, forgotten)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, connection: AsyncConnection, forgotten: Callable[[list[str]], None]) -> None:
        if names := await answered(connection, ANSWER_SECONDS, self._notice.news(connection)):
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
        now = min(time.time(), float(await _answer(connection, _NOW)))
        started = time.monotonic()
        await play(connection, self._keep, storage, now, between)
        tiers = await answered(connection, ANSWER_SECONDS, read_tiers(connection))
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


async def _answer(connection: AsyncConnection, query: LiteralString, *arguments: object) -> Any:
    """The first field of the first row, if it gives any."""

    async def ask() -> Any:
        cursor = await connection.execute(query, arguments or None)
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    return await answered(connection, ANSWER_SECONDS, ask())
