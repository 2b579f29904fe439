"""sysmon-gatewayd: the dashboard, the API and the WebSocket, from Redis and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from sysmonstm import bus, daemon
from sysmonstm.certificates import warn_daily
from sysmonstm.command_line import from_command_line
from sysmonstm.gatewayd import readiness
from sysmonstm.gatewayd.alerts import AlertdClient
from sysmonstm.gatewayd.app import make_app
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.fleet_queries import FleetHistory
from sysmonstm.gatewayd.guard import Hosts
from sysmonstm.gatewayd.https import Https
from sysmonstm.gatewayd.keys import Gateway
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.queries import POOL_SIZE, Database
from sysmonstm.gatewayd.readiness import Readiness
from sysmonstm.gatewayd.settings import GatewaySettings
from sysmonstm.listen import Guard, listeners
from sysmonstm.service import Service
from sysmonstm.serving import serving

# Each loop makes progress at least so often, unless it waits for the outside.
LOOP_SECONDS = 4.0
# A Redis that hangs must not keep the dashboard from saying so.
INFORMED_SECONDS = 3.0
# For requests that are being answered when the gateway stops; WebSockets are told to go.
DRAIN_SECONDS = 2.0
STOP_AGAIN_SECONDS = 0.1


def main() -> None:
    """Run the daemon."""
    source = from_command_line(GatewaySettings, "Serves the dashboard and the API of sysmonstm.")
    daemon.run(source, serve)


async def serve(settings: GatewaySettings, manager: Service) -> None:
    """Serve until cancelled."""
    identity = settings.read_identity()
    https = Https(identity) if identity else None
    sockets = listeners("http", settings.listen, "GATEWAY_LISTEN", Guard.TLS if https else Guard.NONE)
    async with running(settings, manager) as gateway:

        async def apply(new: GatewaySettings) -> None:
            if https and (renewed := new.read_identity()):
                https.exchange(renewed)
            gateway.hosts.allow(new.allowed_hosts)
            await gateway.alertd.use(new.alertd)

        manager.on_reload(apply)
        await _informed(gateway)
        async with (
            serving(make_app(gateway), sockets, DRAIN_SECONDS, https.context if https else None),
            asyncio.TaskGroup() as tasks,
        ):
            if https:
                tasks.create_task(warn_daily(lambda: https.identity, manager.loop("certificate", LOOP_SECONDS)))
            manager.ready(gateway.hub.status())
            # Until it is cancelled: aiohttp has tasks of its own.
            await asyncio.Event().wait()


async def _informed(gateway: Gateway) -> None:
    """Wait for the fleet: whoever started the gateway by asking it something would be shown an empty one."""
    try:
        async with asyncio.timeout(INFORMED_SECONDS):
            await gateway.hub.informed.wait()
    except TimeoutError:
        # /ready and every page say what is the matter with Redis.
        return


@asynccontextmanager
async def running(settings: GatewaySettings, manager: Service) -> AsyncIterator[Gateway]:
    """What the handlers share, kept up to date for as long as the block runs; a loop that fails ends the block."""
    redis = bus.connect(settings.redis_url)
    hub = Hub(Counts())
    # /ready asks by connections of its own: slow questions must not make it look as if the server were away.
    async with (
        redis,
        _open(settings, POOL_SIZE) as database,
        _open(settings, 1) as asking,
        AlertdClient(settings.alertd) as alertd,
    ):
        ready = Readiness(
            (
                readiness.redis(redis),
                readiness.database(asking),
                readiness.aggregator(hub),
                readiness.alertd(alertd, hub),
            )
        )
        async with asyncio.TaskGroup() as loops:
            work = [hub.follow(redis, manager), hub.tick(manager), hub.beat(manager), *ready.watch(manager)]
            tasks = [loops.create_task(one) for one in work]
            try:
                yield Gateway(hub, database, FleetHistory(database), alertd, ready, Hosts(settings.allowed_hosts))
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
