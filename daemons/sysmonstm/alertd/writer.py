"""Writes changes down and then has them published, apart from the evaluation, which never waits for the database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager

from sysmonstm import logs
from sysmonstm.alertd.alerts import Alert, Change
from sysmonstm.alertd.backlog import Backlog
from sysmonstm.alertd.store import LONGEST_SECONDS, Store, StoreAwayError
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.service import Service

BATCH = 100
RETRY_SECONDS = 1.0
# How often the values of alerts that are pending or firing are brought up to date.
TOUCH_SECONDS = 15.0
# How long it rests where nothing changes.
REST_SECONDS = 1.0
BEAT_SECONDS = 3.0
FLUSH_RETRY_SECONDS = 0.1

log = logs.logger(__name__)


class Writer:
    """Takes changes at any time; `run` writes them in order. What cannot be written now waits in memory."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[list[dict[str, object]]], Awaitable[None]],
        trouble: Trouble,
        service: Service,
        *,
        notify: bool,
    ) -> None:
        self._store = store
        self._publish = publish
        self._trouble = trouble
        self._service = service
        # Whether people are to be told of what is written from now on.
        self.notify = notify
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        # Set when notifications may be due.
        self.written = asyncio.Event()

    @property
    def unwritten(self) -> int:
        """How many changes wait."""
        return len(self._backlog)

    @property
    def merged(self) -> int:
        """How many were never written, because alerts flapped while the database was away."""
        return self._backlog.merged

    def take(self, changes: Sequence[Change]) -> None:
        """Log changes and have them written."""
        for change in changes:
            _say(change)
        if changes:
            self._backlog.put(changes)
            self._wake.set()

    async def run(self, alerts: Callable[[], list[Alert]]) -> None:
        """Write until cancelled; `alerts` yields those that are pending or firing."""
        touch_at = 0.0
        while True:
            self._service.beat("writer", BEAT_SECONDS)
            try:
                await self._write_all()
                if time.monotonic() >= touch_at:
                    with self._waits():
                        await self._store.touch(alerts())
                    touch_at = time.monotonic() + TOUCH_SECONDS
            except StoreAwayError as error:
                self._note_away(str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._note_back()
            await self._rest()

    async def flush(self, seconds: float) -> None:
        """Write what waits, within so many seconds: after the end of `run`, for what the last moment brought."""
        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                while self._backlog and time.monotonic() < deadline:
                    with contextlib.suppress(StoreAwayError):
                        await self._write_all()
                        return
                    await asyncio.sleep(FLUSH_RETRY_SECONDS)
        except TimeoutError:
            pass
        if self._backlog:
            log.error("alerts.unwritten", "changes of alerts could not be written before the end", count=self.unwritten)

    def _waits(self) -> AbstractContextManager[None]:
        return self._service.waits("writer", at_most=LONGEST_SECONDS)

    async def _write_all(self) -> None:
        while self._backlog:
            changes = self._backlog.first(BATCH)
            with self._waits():
                events = await self._store.write(changes, notify=self.notify)
            self._backlog.done(changes)
            if events:
                self.written.set()
                with self._waits():
                    await self._publish(events)

    def _note_away(self, reason: str) -> None:
        if not self._trouble.database:
            log.warning("database.away", f"alerts wait in memory until the database is back: {reason}", reason=reason)
        self._trouble.database = reason

    def _note_back(self) -> None:
        if self._trouble.database:
            log.info("database.back", "waiting alerts have been written", merged=self.merged)
        self._trouble.database = ""

    async def _rest(self) -> None:
        """Wait for a change, a moment at most."""
        try:
            async with asyncio.timeout(REST_SECONDS):
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
