"""sysmon-gatewayd: the dashboard, the API and the WebSocket, from Redis and PostgreSQL."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from sysmonstm import bus, config, service
from sysmonstm.gatewayd import readiness
from sysmonstm.gatewayd.app import make_app
from sysmonstm.gatewayd.keys import Gateway
from sysmonstm.gatewayd.live import Counts, Hub
from sysmonstm.gatewayd.queries import POOL_SIZE, Database
from sysmonstm.gatewayd.readiness import Readiness
from sysmonstm.gatewayd.settings import GatewaySettings
from sysmonstm.listen import listeners
from sysmonstm.service import Service

# For requests that are being answered when the gateway stops; WebSockets are told to go.
DRAIN_SECONDS = 1.0
STOP_AGAIN_SECONDS = 0.1


def main() -> None:
    """Run the daemon."""
    settings = config.from_command_line(GatewaySettings, "Serves the dashboard and the API of sysmonstm.")
    service.run(settings, functools.partial(serve, settings))


async def serve(settings: GatewaySettings, manager: Service) -> None:
    """Serve until cancelled."""
    sockets = listeners(settings.listen, "GATEWAY_LISTEN")
    async with running(settings, manager) as gateway:
        app = make_app(gateway, settings.allowed_hosts)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        try:
            for sock in sockets:
                await web.SockSite(runner, sock).start()
            manager.ready(gateway.hub.status())
            await manager.watchdog()
        finally:
            await runner.cleanup()


@asynccontextmanager
async def running(settings: GatewaySettings, manager: Service) -> AsyncIterator[Gateway]:
    """What the handlers share, kept up to date for as long as the block runs; a loop that fails ends the block."""
    redis = bus.connect(settings.redis_url)
    hub = Hub(Counts())
    # /ready asks by a connection of its own: slow questions must not make it look as if the server were away.
    async with redis, _open(settings, POOL_SIZE) as database, _open(settings, 1) as asking:
        ready = Readiness((readiness.redis(redis), readiness.database(asking), readiness.aggregator(hub)))
        async with asyncio.TaskGroup() as loops:
            work = [hub.follow(redis), hub.tick(manager), hub.beat(), *ready.watch(manager)]
            tasks = [loops.create_task(one) for one in work]
            try:
                yield Gateway(hub, database, ready)
            finally:
                await _stop(tasks)


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: on Python 3.11 asyncio.wait_for, which redis uses, can swallow a cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=STOP_AGAIN_SECONDS)


@asynccontextmanager
async def _open(settings: GatewaySettings, size: int) -> AsyncIterator[Database]:
    database = Database(settings.timescale_url, size)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


if __name__ == "__main__":
    main()
