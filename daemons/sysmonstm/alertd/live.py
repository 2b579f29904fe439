"""The bus as alertd uses it: samples come from it, and events go to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysmonstm import bus, logs
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.service import Service

log = logs.logger(__name__)


async def follow(
    redis: Redis, fleet: bus.Fleet, evaluate: Callable[[object], None], trouble: Trouble, service: Service
) -> None:
    """Have what comes evaluated, until cancelled."""
    away = False
    async for update in bus.follow(redis, fleet, partial(service.beat, "bus")):
        evaluate(update)
        if isinstance(update, bus.Away):
            away, trouble.redis = True, update.reason
            log.warning("redis.away", f"nothing is evaluated for now: {update.reason}", detail=update.detail)
            continue
        trouble.redis = ""
        if away:
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
