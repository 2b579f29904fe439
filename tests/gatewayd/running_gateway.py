"""A real gateway on a loopback port, and a client of it, for tests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestServer

from sysmonstm.gatewayd.__main__ import running
from sysmonstm.gatewayd.app import make_app
from sysmonstm.gatewayd.keys import Gateway
from sysmonstm.gatewayd.settings import GatewaySettings
from sysmonstm.service import Service

PATIENCE_SECONDS = 15.0


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


class Server(TestServer):
    """Lets handlers run on whose client is gone, as the daemon does; aiohttp's own for tests cancels them."""

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return await super()._make_runner(**options | {"handler_cancellation": False})


@dataclass
class RunningGateway:
    """A gateway that serves, and a client."""

    gateway: Gateway
    server: TestServer
    session: ClientSession

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        """The JSON that a path answers with this status."""
        async with self.session.get(self.server.make_url(path), headers=headers) as response:
            body = await response.json(content_type=None)
            assert response.status == status, body
            return body

    async def knows(self, *machines: str) -> None:
        """Wait until the gateway has heard of these machines and has a sample of each."""
        fleet = self.gateway.hub.fleet
        await until(lambda: all(name in fleet.machines and fleet.machines[name].frame for name in machines))

    async def live(self) -> None:
        """Wait until the gateway has read the fleet from Redis."""
        await until(lambda: self.gateway.hub.live)

    @asynccontextmanager
    async def watch(self, query: str = "", compress: int = 0, **headers: str) -> AsyncIterator[Watcher]:
        """A WebSocket, its messages deflated with a window of `compress` bits, or not."""
        url = self.server.make_url(f"/ws{query}")
        async with self.session.ws_connect(url, headers=headers, max_msg_size=0, compress=compress) as ws:
            yield Watcher(ws)


@dataclass
class Watcher:
    """A browser."""

    ws: ClientWebSocketResponse

    async def next(self) -> dict[str, Any]:
        """The next message that is no beat."""
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            while (message := await self.next_of_any())["type"] == "beat":
                pass
        return message

    async def next_of_any(self) -> dict[str, Any]:
        """The next message."""
        received = await self.ws.receive(timeout=PATIENCE_SECONDS)
        assert received.type is WSMsgType.TEXT, received
        message = json.loads(received.data)
        assert isinstance(message, dict)
        return message

    async def next_of(self, kind: str) -> dict[str, Any]:
        """The next message of a type; others are skipped."""
        # Beats come for ever.
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            while True:
                message = await self.next_of_any()
                if message["type"] == kind:
                    return message

    async def subscribe(self, machines: list[str] | None, metrics: list[str] | None = None) -> dict[str, Any]:
        """Ask for some machines and metrics; the snapshot that follows."""
        await self.ws.send_json({"type": "subscribe", "machines": machines, "metrics": metrics})
        return await self.next_of("snapshot")


@asynccontextmanager
async def serving(
    redis_url: str,
    database_url: str,
    allowed_hosts: tuple[str, ...] = (),
    port: int | None = None,
    alertd: str = "unix:/nonexistent/alertd.sock",
) -> AsyncIterator[RunningGateway]:
    """A gateway that serves for as long as the block runs."""
    settings = GatewaySettings(
        redis_url=redis_url, timescale_url=database_url, allowed_hosts=allowed_hosts, alertd=alertd
    )
    async with running(settings, Service()) as gateway:
        server = Server(make_app(gateway), port=port)
        async with server, ClientSession() as session:
            yield RunningGateway(gateway, server, session)


@asynccontextmanager
async def in_own_task(
    context: Callable[[], Any],
) -> AsyncIterator[Any]:
    """Enter and leave a context in one task, as its TaskGroup demands and a fixture cannot."""
    entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context() as value:
            entered.set_result(value)
            await leave.wait()

    task: asyncio.Task[None] = asyncio.create_task(hold())
    await asyncio.wait({task, entered}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield entered.result()
    finally:
        leave.set()
        await task
