"""Writes changes down and then has them published, apart from the evaluation, which never waits for the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from sysmonstm import logs
from sysmonstm.alertd.alerts import Alert, Change
from sysmonstm.alertd.backlog import Backlog
from sysmonstm.alertd.store import Store, StoreAwayError
from sysmonstm.service import Service

BATCH = 100
RETRY_SECONDS = 1.0
# How often the values of alerts that are pending or firing are brought up to date.
TOUCH_SECONDS = 15.0
# A hung database is waited for by a time limit of its own; only what exceeds that is a loop that stands still.
BEAT_SECONDS = 120.0

log = logs.logger(__name__)


class Writer:
    """Takes changes at any time; `run` writes them in order. What cannot be written now waits in memory."""

    def __init__(
        self, store: Store, publish: Callable[[list[dict[str, object]]], Awaitable[None]], *, notify: bool
    ) -> None:
        self._store = store
        self._publish = publish
        self._notify = notify
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        # Set when notifications may be due.
        self.written = asyncio.Event()

    def take(self, changes: Sequence[Change]) -> None:
        """Log changes and have them written."""
        for change in changes:
            _say(change)
        if changes:
            self._backlog.put(changes)
            self._wake.set()

    async def run(self, alerts: Callable[[], list[Alert]], service: Service) -> None:
        """Write until cancelled; `alerts` yields those that are pending or firing."""
        away, touch_at = False, 0.0
        while True:
            service.beat("writer", BEAT_SECONDS)
            try:
                await self._write_all()
                if time.monotonic() >= touch_at:
                    await self._store.touch(alerts())
                    touch_at = time.monotonic() + TOUCH_SECONDS
            except StoreAwayError as error:
                if not away:
                    away = True
                    log.warning("database.away", f"alerts wait in memory until the database is back: {error}")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if away:
                away = False
                log.info("database.back", "waiting alerts have been written", merged=self._backlog.merged)
            await self._rest()

    async def _write_all(self) -> None:
        while self._backlog:
            changes = self._backlog.first(BATCH)
            events = await self._store.write(changes, notify=self._notify)
            self._backlog.done(changes)
            if events:
                self.written.set()
                await self._publish(events)

    async def _rest(self) -> None:
        """Wait for a change, or until it is time to touch."""
        try:
            async with asyncio.timeout(TOUCH_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


def _say(change: Change) -> None:
    if change.news:
        write = log.warning if change.news == "firing" else log.info
        write(f"alert.{change.news}", change.alert.message, **change.facts())
    else:
        log.debug(f"alert.{change.step.name.lower()}", change.alert.message, rule=change.alert.key.rule)
