"""Posts a notification to the webhook and says how that went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt went. `error` is None if it was taken, `status` is None if there was no answer."""

    error: str | None = None
    status: int | None = None


def answer_of(status: int) -> Answer:
    """What an HTTP status means: whatever is not a success may be mended within the hour, a wrong address too."""
    if 200 <= status < 300:
        return Answer(None, status)
    if 300 <= status < 400:
        return Answer(f"answered {status}; redirects are not followed", status)
    return Answer(f"answered {status}", status)


def shown_address(url: str) -> str:
    """Where a URL points to, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


class Webhook:
    """Posts to a URL, for as long as an `async with` block; what it says of a failure never holds the URL.

    The URL may be set anew at any time, to None too: then it is not to be asked.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url

    async def __aenter__(self) -> Webhook:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, key: UUID, payload: Mapping[str, object]) -> Answer:
        """One attempt, within TIMEOUT_SECONDS; the same `key` says that it is the same notification."""
        if self.url is None:
            return Answer("is not set any more")
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(key)}
        body = json.dumps(payload)
        try:
            async with self._session.post(self.url, data=body, headers=headers, allow_redirects=False) as response:
                return answer_of(response.status)
        except TimeoutError:
            return Answer(f"did not answer within {TIMEOUT_SECONDS:g} s")
        except aiohttp.ClientConnectorError as error:
            return Answer(f"cannot be reached: {error.strerror or type(error.os_error).__name__}")
        except (aiohttp.ClientError, OSError) as error:
            # What else they say may hold the whole URL, which is a secret.
            return Answer(f"failed: {type(error).__name__}")
