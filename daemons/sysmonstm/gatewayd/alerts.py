"""What the gateway asks sysmon-alertd: its control interface, HTTP on a unix socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from sysmonstm.listen import parse_path

ANSWER_SECONDS = 2.0
# Some thousands of rules.
MOST_BYTES = 4 * 1024 * 1024


class AlertdAwayError(Exception):
    """sysmon-alertd has no answer for now; the sentence says why and what may help."""


class AlertdClient:
    """Asks the alertd at an address (unix:/path), for as long as an `async with` block."""

    def __init__(self, address: str) -> None:
        self._path = parse_path(address)

    async def __aenter__(self) -> AlertdClient:
        self._session = self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._path)), timeout=timeout)

    async def use(self, address: str) -> None:
        """Ask at this address from now on; who asks at this moment may be told that alertd is away."""
        path = parse_path(address)
        if path != self._path:
            before, self._path = self._session, path
            self._session = self._open()
            await before.close()

    async def rules(self) -> list[dict[str, Any]]:
        """The rules that hold, as alertd shows them."""
        rules = (await self._get("/rules")).get("rules")
        if not isinstance(rules, list):
            raise AlertdAwayError(self._stranger())
        return rules

    async def status(self) -> dict[str, Any]:
        """How it goes, as alertd shows it."""
        return await self._get("/status")

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            async with self._session.get(f"http://localhost{path}", allow_redirects=False) as response:
                body = await _limited(response.content)
                answer = json.loads(body)
        except TimeoutError:
            raise AlertdAwayError(f"sysmon-alertd did not answer within {ANSWER_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            where = f"unix:{self._path} ({_reason(error)})"
            raise AlertdAwayError(
                f"sysmon-alertd cannot be asked at {where}; GATEWAY_ALERTD says where it is"
            ) from None
        except (ValueError, RecursionError):
            raise AlertdAwayError(self._stranger()) from None
        if response.status != 200 or not isinstance(answer, dict):
            raise AlertdAwayError(self._stranger())
        return answer

    def _stranger(self) -> str:
        return f"what answers at unix:{self._path} is no sysmon-alertd of this version"


async def _limited(content: aiohttp.StreamReader) -> bytes:
    """All of it; ValueError if that is too much."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise ValueError("too long")
        await asyncio.sleep(0)
    return bytes(body)


def _reason(error: Exception) -> str:
    own = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return (own.strerror if isinstance(own, OSError) else None) or type(error).__name__
