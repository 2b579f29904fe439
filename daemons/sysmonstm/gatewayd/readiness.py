"""Knows which of the gateway's dependencies answer: asks each every few seconds, so that /ready itself never waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysmonstm import logs
from sysmonstm.gatewayd.alerts import AlertdAwayError, AlertdClient
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.pool import DatabaseError
from sysmonstm.gatewayd.queries import Database, ServerFacts
from sysmonstm.resources import resource
from sysmonstm.service import Service

PERIOD_SECONDS = 2.0
REDIS_SECONDS = 2.0
AGGREGATOR_SECONDS = 5.0
BEAT_SECONDS = 3.0
# Longer than any question can take.
LONGEST_SECONDS = 30.0
# By timescaledb.license. Only the Community edition compresses.
EDITIONS = {"apache": "Apache edition", "timescale": "Community edition"}

log = logs.logger(__name__)


class DownError(Exception):
    """A dependency does not serve; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that the gateway uses. `ask` says what it is, or raises DownError."""

    name: str
    needed: bool
    ask: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dependency said last."""

    up: bool
    detail: str


NOT_ASKED = Answer(up=False, detail="not asked yet")


class Readiness:
    """The last answer of each dependency."""

    def __init__(self, dependencies: tuple[Dependency, ...]) -> None:
        self._dependencies = dependencies
        self._answers = {one.name: NOT_ASKED for one in dependencies}

    @property
    def ready(self) -> bool:
        """Whether all that is needed serves."""
        return all(self._answers[one.name].up for one in self._dependencies if one.needed)

    def describe(self) -> dict[str, object]:
        """As /ready shows it."""
        return {
            "ready": self.ready,
            "dependencies": {
                one.name: {
                    "state": "up" if self._answers[one.name].up else "down",
                    "needed": one.needed,
                    "detail": self._answers[one.name].detail,
                }
                for one in self._dependencies
            },
        }

    def watch(self, service: Service) -> list[Coroutine[None, None, None]]:
        """A loop for each dependency that asks it for ever; one that takes long does not keep the others waiting."""
        return [self._watch(one, service) for one in self._dependencies]

    async def _watch(self, dependency: Dependency, service: Service) -> None:
        loop = f"readiness of {dependency.name}"
        while True:
            service.beat(loop, BEAT_SECONDS)
            with service.waits(loop, at_most=LONGEST_SECONDS):
                answer = await _answer(dependency)
            self._note(dependency, answer)
            await asyncio.sleep(PERIOD_SECONDS)

    def _note(self, dependency: Dependency, answer: Answer) -> None:
        name, before = dependency.name, self._answers[dependency.name]
        self._answers[name] = answer
        if not answer.up and (before.up or before is NOT_ASKED):
            log.warning("dependency.away", f"{name} is away: {answer.detail}", dependency=name)
        elif answer.up and not before.up and before is not NOT_ASKED:
            log.info("dependency.back", f"{name} is back", dependency=name, detail=answer.detail)


async def _answer(dependency: Dependency) -> Answer:
    try:
        return Answer(up=True, detail=await dependency.ask())
    except DownError as error:
        return Answer(up=False, detail=str(error))


def redis(client: Redis) -> Dependency:
    """The Redis that current state comes from."""

    async def ask() -> str:
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await client.ping()
        except TimeoutError:
            raise DownError(f"Redis did not answer within {REDIS_SECONDS:g} s") from None
        except (RedisError, OSError) as error:
            raise DownError(f"Redis does not answer: {error}") from None
        return ""

    return Dependency("redis", needed=True, ask=ask)


def database(client: Database) -> Dependency:
    """The PostgreSQL that history comes from."""

    async def ask() -> str:
        try:
            return describe(await client.facts(), newest_schema())
        except DatabaseError as error:
            raise DownError(str(error)) from None

    return Dependency("database", needed=True, ask=ask)


def aggregator(hub: Hub) -> Dependency:
    """Whoever publishes samples. Without one the gateway still shows what there was."""

    async def ask() -> str:
        quiet = time.monotonic() - hub.heard_at
        if quiet > AGGREGATOR_SECONDS:
            raise DownError(f"no aggregator was heard within {AGGREGATOR_SECONDS:g} s; is sysmon-aggregatord running?")
        return ""

    return Dependency("aggregator", needed=False, ask=ask)


def alertd(client: AlertdClient, hub: Hub) -> Dependency:
    """Whoever watches the rules. Without one the gateway shows the alerts as they were written last.

    What it says of itself is also how the hub hears that the rules are others, and whether anything is evaluated.
    """

    async def ask() -> str:
        try:
            status = await client.status()
        except AlertdAwayError as error:
            hub.hear_of_alerting(str(error))
            raise DownError(str(error)) from None
        hub.hear_of_rules(status.get("rules_since"))
        hub.hear_of_alerting(unevaluated(status))
        return lacking(status)

    return Dependency("alertd", needed=False, ask=ask)


def unevaluated(status: Mapping[str, object]) -> str:
    """Why an alertd that says this of itself evaluates nothing; "" if it does, or if Redis is what all lack."""
    deaf = status.get("hears_aggregators") is False and not _is_away(status.get("redis"))
    return "sysmon-alertd hears no aggregator" if deaf else ""


def lacking(status: Mapping[str, object]) -> str:
    """What an alertd that says this of itself lacks; empty if nothing."""
    said = [f"its {name} is away" for name in ("redis", "database") if _is_away(status.get(name))]
    if status.get("hears_aggregators") is False:
        said.append("it hears no aggregator")
    return ", ".join(said)


def _is_away(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("state") == "away"


def newest_schema() -> int:
    """Number of the newest migration that this version was written for."""
    return max(int(file.name[:4]) for file in resource("sql").glob("[0-9][0-9][0-9][0-9]_*.sql"))


def describe(facts: ServerFacts, wanted: int) -> str:
    """Which server it is; DownError if its schema is not the one that this version was written for."""
    if facts.schema is None:
        raise DownError("the database has no schema yet; sysmon-aggregatord makes it when it starts")
    if facts.schema < wanted:
        raise DownError(
            f"the database has schema {facts.schema:04}, and this version needs {wanted:04}; restart sysmon-aggregatord"
        )
    # Debian adds its own words to the version.
    server = f"PostgreSQL {facts.version.split()[0]}"
    if not facts.timescaledb:
        return f"{server} without TimescaleDB"
    edition = EDITIONS.get(facts.license or "", f"{facts.license} edition")
    return f"TimescaleDB {facts.timescaledb}, {edition}, on {server}"
