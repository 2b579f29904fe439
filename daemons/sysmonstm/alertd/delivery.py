"""Delivers the outbox: each notification until it was taken or is an hour old."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractContextManager

from sysmonstm import logs
from sysmonstm.alertd.store import LONGEST_SECONDS, Notification, Settled, Store, StoreAwayError, Waiting
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.alertd.webhook import TIMEOUT_SECONDS, Answer, Webhook, shown_address
from sysmonstm.backoff import full_jitter
from sysmonstm.service import Service

GIVE_UP_SECONDS = 3600.0
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
AT_ONCE = 8
# How often the outbox is asked, for what another alertd left behind and what is to be tried again.
POLL_SECONDS = 1.0
BEAT_SECONDS = 3.0
# How often it is counted what waits.
COUNT_SECONDS = 5.0

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


class Delivery:
    """Posts what the outbox has to the webhook; while there is none, what is in it waits."""

    def __init__(self, store: Store, webhook: Webhook, trouble: Trouble, service: Service, rng: random.Random) -> None:
        self._store = store
        self._webhook = webhook
        self._trouble = trouble
        self._service = service
        self._rng = rng
        # What waits may have waited for the address that is used from now on.
        self._hurry = False
        # As last counted.
        self.waiting = Waiting()

    async def run(self, due: asyncio.Event) -> None:
        """Deliver until cancelled; `due` says that there may be something new."""
        count_at = 0.0
        while True:
            self._service.beat("delivery", BEAT_SECONDS)
            found = False
            try:
                if self._hurry:
                    with self._waits(LONGEST_SECONDS):
                        await self._store.hurry()
                    self._hurry = False
                if self._webhook.url is not None:
                    found = await self._some()
                if time.monotonic() >= count_at:
                    with self._waits(LONGEST_SECONDS):
                        self.waiting = await self._store.waiting()
                    count_at = time.monotonic() + COUNT_SECONDS
            except StoreAwayError:
                # The writer says so in the log. What was posted and could not be settled is posted again.
                found = False
            if not found:
                await _rest(due)

    def use(self, url: str | None) -> None:
        """Post to this URL from now on."""
        if url != self._webhook.url:
            self._webhook.url = url
            self._trouble.webhook = ""
            self._hurry = True

    def _waits(self, seconds: float) -> AbstractContextManager[None]:
        return self._service.waits("delivery", at_most=seconds)

    async def _some(self) -> bool:
        """Take on and post what is due now, some at a time; False if nothing is."""
        with self._waits(LONGEST_SECONDS):
            notifications = await self._store.claim(AT_ONCE)
        with self._waits(2 * TIMEOUT_SECONDS):
            answers = await asyncio.gather(*(self._attempt(one) for one in notifications))
        for notification, answer in zip(notifications, answers, strict=True):
            settled = settle(answer, notification.attempts, notification.age_seconds, self._rng)
            if not settled.given_up:
                self._note(answer)
            with self._waits(LONGEST_SECONDS):
                await self._store.settle(notification, settled)
            if settled.given_up:
                self._say_given_up(notification, settled)
        return bool(notifications)

    async def _attempt(self, notification: Notification) -> Answer:
        if notification.age_seconds >= GIVE_UP_SECONDS:
            return Answer(f"{notification.last_error or 'was not asked'}, for an hour")
        return await self._webhook.post(notification.key, notification.payload)

    def _note(self, answer: Answer) -> None:
        if self._webhook.url is None:
            return
        before, self._trouble.webhook = self._trouble.webhook, answer.error or ""
        address = shown_address(self._webhook.url)
        if before and not answer.error:
            log.info("webhook.back", "the webhook takes notifications again", address=address)
        elif answer.error and not before:
            log.warning("webhook.failing", f"the webhook {answer.error}; trying again for an hour", address=address)

    def _say_given_up(self, notification: Notification, settled: Settled) -> None:
        log.error(
            "webhook.given_up",
            f"a notification was not taken and is given up: the webhook {settled.error}",
            address=shown_address(self._webhook.url or ""),
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
