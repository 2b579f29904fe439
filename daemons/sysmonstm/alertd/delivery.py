"""Delivers the outbox: each notification until it was taken or is an hour old."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

from sysmonstm import logs
from sysmonstm.alertd.store import Notification, Settled, Store, StoreAwayError
from sysmonstm.alertd.webhook import Answer, Webhook
from sysmonstm.backoff import full_jitter
from sysmonstm.service import Service

GIVE_UP_SECONDS = 3600.0
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
AT_ONCE = 8
# How often the outbox is asked, for what another alertd left behind and what is to be tried again.
POLL_SECONDS = 1.0
BEAT_SECONDS = 120.0

log = logs.logger(__name__)


def backoff(attempt: int, rng: random.Random) -> float:
    """Seconds to wait after the attempt of this number, from 1."""
    return full_jitter(attempt - 1, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, rng)


def settle(answer: Answer, attempts: int, age_seconds: float, rng: random.Random) -> Settled:
    """What becomes of a notification of this age after an attempt that went like this."""
    if answer.error is None:
        return Settled()
    if age_seconds >= GIVE_UP_SECONDS:
        return Settled(answer.error)
    # So that giving up is said when the hour is over, and not at some attempt after it.
    return Settled(answer.error, min(backoff(attempts, rng), GIVE_UP_SECONDS - age_seconds))


def shown_address(url: str) -> str:
    """Where a URL points to, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


class Delivery:
    """Posts what the outbox has for one URL."""

    def __init__(self, store: Store, url: str, rng: random.Random) -> None:
        self._store = store
        self._url = url
        self._rng = rng
        self._failing = False

    async def run(self, due: asyncio.Event, service: Service) -> None:
        """Deliver until cancelled; `due` says that there may be something new."""
        async with Webhook(self._url) as webhook:
            while True:
                service.beat("delivery", BEAT_SECONDS)
                try:
                    found = await self._some(webhook)
                except StoreAwayError:
                    # The writer says so in the log. What was posted and could not be settled is posted again.
                    found = False
                if not found:
                    await _rest(due)

    async def _some(self, webhook: Webhook) -> bool:
        """Take on and post what is due now, some at a time; False if nothing is."""
        notifications = await self._store.claim(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            attempts = [group.create_task(self._attempt(webhook, one)) for one in notifications]
        for notification, attempt in zip(notifications, attempts, strict=True):
            answer = attempt.result()
            settled = settle(answer, notification.attempts, notification.age_seconds, self._rng)
            if not settled.given_up:
                self._say_failing(answer)
            await self._store.settle(notification, settled)
            if settled.given_up:
                self._say_given_up(notification, settled)
        return bool(notifications)

    async def _attempt(self, webhook: Webhook, notification: Notification) -> Answer:
        if notification.age_seconds >= GIVE_UP_SECONDS:
            return Answer(f"{notification.last_error or 'was not asked'}, for an hour")
        return await webhook.post(notification)

    def _say_failing(self, answer: Answer) -> None:
        if answer.error is None and self._failing:
            self._failing = False
            log.info("webhook.back", "the webhook takes notifications again", address=shown_address(self._url))
        elif answer.error is not None and not self._failing:
            self._failing = True
            log.warning(
                "webhook.failing",
                f"the webhook {answer.error}; trying again for an hour",
                address=shown_address(self._url),
            )

    def _say_given_up(self, notification: Notification, settled: Settled) -> None:
        log.error(
            "webhook.given_up",
            f"a notification was not taken and is given up: the webhook {settled.error}",
            address=shown_address(self._url),
            key=str(notification.key),
            attempts=notification.attempts,
            rule=notification.payload.get("rule"),
            machine=notification.payload.get("machine"),
        )


async def _rest(due: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await due.wait()
    except TimeoutError:
        return
    due.clear()
