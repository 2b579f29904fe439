"""sysmon-alertd: the process. Opens what it needs, runs the loops, closes it again."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager

from sysmonstm import bus, daemon, logs
from sysmonstm.alertd import control, live, report
from sysmonstm.alertd.delivery import Delivery
from sysmonstm.alertd.engine import Engine
from sysmonstm.alertd.parts import Parts, now_us
from sysmonstm.alertd.rulefile import load_rules
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.alertd.store import LONGEST_SECONDS, Store, StoreAwayError
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.alertd.webhook import Webhook
from sysmonstm.alertd.writer import Writer
from sysmonstm.command_line import from_command_line
from sysmonstm.config import UserError
from sysmonstm.listen import listeners
from sysmonstm.service import Service
from sysmonstm.serving import serving

TICK_SECONDS = 1.0
BEAT_SECONDS = 3.0
RETRY_SECONDS = 1.0
# At the end: for requests that are being answered, and for changes that are not written yet.
DRAIN_SECONDS = 1.0
FLUSH_SECONDS = 1.0

log = logs.logger(__name__)


def main() -> None:
    """Run until SIGTERM."""
    source = from_command_line(AlertSettings, "Evaluates rules on live samples and tells people what changed.")
    daemon.run(source, run)


async def run(settings: AlertSettings, manager: Service) -> None:
    """The daemon until it is cancelled."""
    sockets = _control_sockets(settings)
    async with bus.connect(settings.redis_url) as redis, _parts(settings, live.Publisher(redis), manager) as parts:
        manager.on_reload(parts.apply)
        async with serving(control.make_app(parts, manager.reload), sockets, DRAIN_SECONDS):
            manager.ready("waiting for the database")
            await _restore(parts, manager)
            rules = list(parts.engine.rules)
            log.info("alertd.started", f"evaluating {len(rules)} rules", rules=rules)
            try:
                await _loops(parts, live.follow(redis, parts.fleet, parts.evaluate, parts.trouble, manager), manager)
            finally:
                # A task of its own: this one is cancelled, which redis-py would take for its own end.
                await asyncio.create_task(parts.writer.flush(FLUSH_SECONDS))


def _control_sockets(settings: AlertSettings) -> Sequence[socket.socket]:
    sockets = listeners("control", settings.control, "ALERTS_CONTROL")
    if any(sock.family != socket.AF_UNIX for sock in sockets):
        raise UserError(
            "the control interface is for unix sockets only, whose permissions say who may ask; "
            "sysmon-alertd.socket hands over another"
        )
    return sockets


@asynccontextmanager
async def _parts(settings: AlertSettings, publisher: live.Publisher, manager: Service) -> AsyncIterator[Parts]:
    store, outbox = Store(settings.timescale_url), Store(settings.timescale_url)
    trouble = Trouble()
    async with Webhook(settings.webhook_url) as webhook:
        writer = Writer(store, publisher.publish, trouble, manager, notify=settings.webhook_url is not None)
        delivery = Delivery(outbox, webhook, trouble, manager, random.Random())  # noqa: S311 - spreads attempts
        engine = Engine(load_rules(settings.rules_file), (), now_us())
        try:
            yield Parts(settings, store, engine, bus.Fleet(), writer, delivery, webhook, trouble)
        finally:
            await store.close()
            await outbox.close()


async def _restore(parts: Parts, manager: Service) -> None:
    """Go on from the alerts as they were; waits for the database, without which nothing could be told anyway."""
    waiting = False
    while True:
        try:
            with manager.waits("start", at_most=LONGEST_SECONDS):
                known = await parts.store.load()
        except StoreAwayError as error:
            parts.trouble.database = str(error)
            manager.status(f"waiting for the database: {error}")
            if not waiting:
                waiting = True
                log.warning("database.waiting", f"waiting for the database: {error}")
            await asyncio.sleep(RETRY_SECONDS)
            continue
        manager.ended("start")
        parts.trouble.database = ""
        parts.engine.restore(known, now_us())
        parts.writer.take(parts.engine.retire(now_us()))
        return


async def _loops(parts: Parts, following: Coroutine[None, None, None], manager: Service) -> None:
    writer = parts.writer
    async with asyncio.TaskGroup() as loops:
        loops.create_task(following)
        loops.create_task(_tick(parts, manager))
        loops.create_task(writer.run(lambda: parts.engine.alerts))
        loops.create_task(parts.delivery.run(writer.written))


async def _tick(parts: Parts, manager: Service) -> None:
    """Look at silence every second, and say how things are."""
    deaf = True
    while True:
        manager.beat("tick", BEAT_SECONDS)
        parts.tick()
        if parts.deaf is not deaf:
            deaf = not deaf
            _say_hearing(deaf)
        manager.status(report.status_line(parts))
        await asyncio.sleep(TICK_SECONDS)


def _say_hearing(deaf: bool) -> None:
    if deaf:
        log.warning("aggregators.unheard", "no aggregator is heard; which machines are silent is not known")
    else:
        log.info("aggregators.heard", "aggregators are heard")


if __name__ == "__main__":
    main()
