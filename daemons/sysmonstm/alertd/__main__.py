"""sysmon-alertd: the process. Opens what it needs, runs the loops, closes it again."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from functools import partial

from sysmonstm import bus, config, logs, service
from sysmonstm.alertd.alerts import Alert
from sysmonstm.alertd.delivery import Delivery
from sysmonstm.alertd.engine import Engine
from sysmonstm.alertd.live import Publisher, follow
from sysmonstm.alertd.rulefile import load_rules
from sysmonstm.alertd.rules import Rule
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.alertd.store import Store, StoreAwayError
from sysmonstm.alertd.writer import Writer

TICK_SECONDS = 1.0
RETRY_SECONDS = 1.0

log = logs.logger(__name__)


def main() -> None:
    """Run until SIGTERM."""
    settings = config.from_command_line(AlertSettings, "Evaluates rules on live samples and tells people what changed.")
    service.run(settings, partial(run, settings))


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


async def run(settings: AlertSettings, manager: service.Service) -> None:
    """The daemon until it is cancelled."""
    rules = load_rules(settings.rules_file)
    async with AsyncExitStack() as stack:
        store, outbox = Store(settings.timescale_url), Store(settings.timescale_url)
        redis = bus.connect(settings.redis_url)
        for close in (store.close, outbox.close, redis.aclose):
            stack.push_async_callback(close)
        async with asyncio.TaskGroup() as loops:
            loops.create_task(manager.watchdog())
            manager.ready("waiting for the database")
            engine = Engine(rules, await _stored_alerts(store), now_us())
            writer = Writer(store, Publisher(redis).publish, notify=settings.webhook_url is not None)
            writer.take(engine.retire(now_us()))
            fleet = bus.Fleet()
            loops.create_task(follow(redis, fleet, engine, writer.take, now_us))
            loops.create_task(tick(fleet, engine, writer, rules, manager))
            loops.create_task(writer.run(lambda: engine.alerts, manager))
            if settings.webhook_url:
                delivery = Delivery(outbox, settings.webhook_url, random.Random())  # noqa: S311 - spreads attempts
                loops.create_task(delivery.run(writer.written, manager))
            log.info("alertd.started", f"evaluating {len(rules)} rules", rules=[rule.name for rule in rules])


async def _stored_alerts(store: Store) -> list[Alert]:
    """The alerts as they were; waits for the database and its schema, without which nothing could be told anyway."""
    waiting = False
    while True:
        try:
            return await store.load()
        except StoreAwayError as error:
            if not waiting:
                waiting = True
                log.warning("database.waiting", f"waiting for the database: {error}")
            await asyncio.sleep(RETRY_SECONDS)


async def tick(
    fleet: bus.Fleet, engine: Engine, writer: Writer, rules: tuple[Rule, ...], manager: service.Service
) -> None:
    """Look at silence every second, and say how things are."""
    said, deaf = "", True
    while True:
        manager.beat("tick", 10 * TICK_SECONDS)
        writer.take(engine.tick(fleet, now_us()))
        if engine.hearing.deaf(now_us()) is not deaf:
            deaf = not deaf
            _say_hearing(deaf)
        status = f"{len(fleet.machines)} machines, {len(rules)} rules, {engine.firing} firing"
        if status != said:
            said = status
            manager.status(status)
        await asyncio.sleep(TICK_SECONDS)


def _say_hearing(deaf: bool) -> None:
    if deaf:
        log.warning("aggregators.unheard", "no aggregator is heard; which machines are silent is not known")
    else:
        log.info("aggregators.heard", "aggregators are heard")


if __name__ == "__main__":
    main()
