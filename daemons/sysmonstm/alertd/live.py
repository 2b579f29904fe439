"""The bus as alertd uses it: samples come from it, and events go to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysmonstm import bus, logs
from sysmonstm.alertd.alerts import Change
from sysmonstm.alertd.engine import Engine

log = logs.logger(__name__)


async def follow(
    redis: Redis, fleet: bus.Fleet, engine: Engine, take: Callable[[Sequence[Change]], None], now_us: Callable[[], int]
) -> None:
    """Evaluate what comes, and hand on the changes, until cancelled."""
    away = False
    async for update in bus.follow(redis, fleet):
        take(engine.take(fleet, update, now_us()))
        if isinstance(update, bus.Away):
            away = True
            log.warning("redis.away", f"nothing is evaluated for now: {update.reason}", detail=update.detail)
        elif away:
            away = False
            log.info("redis.back", "Redis is back")


class Publisher:
    """Publishes events that are rows already. The rows are the truth: what Redis does not take is not told again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._untold = 0

    async def publish(self, events: list[dict[str, object]]) -> None:
        """Publish events as /api/events shows them."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for event in events:
                    pipe.publish(bus.EVENTS, json.dumps(event))
                await pipe.execute()
        except (RedisError, OSError) as error:
            if not self._untold:
                log.warning("events.unpublished", f"the database has events that Redis did not take: {error}")
            self._untold += len(events)
        else:
            if self._untold:
                log.info("events.published", "Redis takes events again", unpublished=self._untold)
                self._untold = 0
        bus.heed_cancellation()
