"""Transactions on one connection, tried again where others were in their way, and what is known from those before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import psycopg
from psycopg import AsyncConnection

from sysmonstm.aggregatord.history import commit, faults
from sysmonstm.aggregatord.history.commit import Committed
from sysmonstm.aggregatord.history.connection import LETTING_GO_SECONDS, answered
from sysmonstm.aggregatord.history.faults import VanishedError, Verdict
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.portion import Portion
from sysmonstm.backoff import full_jitter
from sysmonstm.beats import UNWATCHED, Loop

MOST_TRIES = 8
_BASE_SECONDS = 0.01
_CAP_SECONDS = 0.5


class RefusedError(Exception):
    """Something in a portion is not taken, however often it is tried; the sentence is the database's."""


class Transactions:
    """Writes portions, one transaction each. A try may take `most_seconds`, for which `loop` is excused."""

    def __init__(
        self, connection: AsyncConnection, most_seconds: float, rng: random.Random, loop: Loop = UNWATCHED
    ) -> None:
        self._connection = connection
        self._most_seconds = most_seconds
        self._rng = rng
        self._loop = loop
        self._identities = Identities()

    def introduce(self, portion: Portion) -> Portion:
        """The portion with the hellos of those of its machines that the database has not heard of."""
        said = {hello.machine for hello in portion.hellos}
        sessions = (piece.session for piece in portion.pieces)
        unmet = {one.machine: one.hello for one in sessions if one.machine not in self._identities.machines}
        hellos = (hello for machine, hello in unmet.items() if machine not in said)
        return replace(portion, hellos=(*portion.hellos, *hellos))

    async def write(self, portion: Portion, asked: Sequence[bytes]) -> Committed:
        """Commit a portion, in the end.

        RefusedError if something in it is refused, psycopg.Error or TimeoutError if the database is not fit for use;
        nothing of it is written then, unless the connection broke during the COMMIT.
        """
        for attempt in range(MOST_TRIES - 1):
            try:
                return await self._try(portion, asked)
            except (psycopg.Error, VanishedError) as error:
                self._make_ready(error, faults.verdict(error))
            await asyncio.sleep(full_jitter(attempt, _BASE_SECONDS, _CAP_SECONDS, self._rng))
        try:
            return await self._try(portion, asked)
        except VanishedError as error:
            raise psycopg.OperationalError("machines vanish as fast as they are written") from error
        except psycopg.Error as error:
            self._make_ready(error, faults.verdict_in_the_end(error))
            raise

    async def _try(self, portion: Portion, asked: Sequence[bytes]) -> Committed:
        work = commit.commit(self._connection, self._identities, self.introduce(portion), asked)
        with self._loop.waits(self._most_seconds + LETTING_GO_SECONDS):
            committed = await answered(self._connection, self._most_seconds, work)
        self._identities = Identities() if committed.identities.too_many else committed.identities
        return committed

    def _make_ready(self, error: psycopg.Error | VanishedError, verdict: Verdict) -> None:
        """For the next try; what it would not mend rises."""
        if verdict is Verdict.REFUSED:
            raise RefusedError(faults.reason(error)) from error
        if verdict is Verdict.FORGOTTEN:
            self._identities = Identities()
        elif verdict is not Verdict.AGAIN:
            raise error
