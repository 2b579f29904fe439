"""Posts a notification to the webhook and says how that went."""

from __future__ import annotations

import json
from dataclasses import dataclass

import aiohttp

from sysmonstm.alertd.store import Notification

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt went. `error` is None if it was taken."""

    error: str | None = None


def answer_of(status: int) -> Answer:
    """What an HTTP status means: whatever is not a success may be mended within the hour, a wrong address too."""
    if 200 <= status < 300:
        return Answer()
    if 300 <= status < 400:
        return Answer(f"answered {status}; redirects are not followed")
    return Answer(f"answered {status}")


class Webhook:
    """Posts to one URL, for as long as an `async with` block. What it says of a failure never holds the URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Webhook:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, notification: Notification) -> Answer:
        """One attempt, within TIMEOUT_SECONDS."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(notification.key)}
        body = json.dumps(notification.payload)
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                return answer_of(response.status)
        except TimeoutError:
            return Answer(f"did not answer within {TIMEOUT_SECONDS:g} s")
        except aiohttp.ClientConnectorError as error:
            return Answer(f"cannot be reached: {error.strerror or type(error.os_error).__name__}")
        except (aiohttp.ClientError, OSError) as error:
            # What else they say may hold the whole URL, which is a secret.
            return Answer(f"failed: {type(error).__name__}")
