"""The WebSocket at /ws: lets a browser in, hears what it asks for, and lets go of one that takes nothing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web

from sysmonstm import logs
from sysmonstm.gatewayd import line, subscription
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.guard import check_origin
from sysmonstm.gatewayd.keys import GATEWAY, SOCKETS
from sysmonstm.gatewayd.line import SocketLine, StalledError
from sysmonstm.gatewayd.live import MAX_CLIENTS, Hub
from sysmonstm.gatewayd.subscription import Subscription
from sysmonstm.problem import ProblemError

HEARTBEAT_SECONDS = 20.0
CLOSE_SECONDS = 1.0
GOING_AWAY = b"the gateway restarts; connect again in 1 s"
MAX_MESSAGE_BYTES = 64 * 1024

log = logs.logger(__name__)


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """A snapshot, then changes."""
    check_origin(request.headers)
    hub = request.app[GATEWAY].hub
    asked = _asked(request)
    if len(hub.clients) >= MAX_CLIENTS:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_CLIENTS} browsers are connected already")
    # `compress` has aiohttp agree to permessage-deflate, and inflate what comes. We deflate: see line.py.
    ws = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, timeout=CLOSE_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=True
    )
    writer = await ws.prepare(request)
    if request.transport is None:
        return ws  # it is gone already
    way = SocketLine(ws, request.transport, writer)
    request.app[SOCKETS].add(ws)
    client = Client(way, hub.counts)
    try:
        hub.join(client, asked)
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(_pump(way, client, request.remote))
            await _listen(ws, hub, client)
            pump.cancel()
    finally:
        hub.leave(client)
        request.app[SOCKETS].discard(ws)
        if ws.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            # aiohttp only asks for the end, and what is unsent would be kept for as long as the client takes nothing.
            way.abort()
    if isinstance(ws.exception(), TimeoutError):
        _dropped(client, f"a browser did not answer within {HEARTBEAT_SECONDS / 2:g} s", request.remote)
    return ws


async def close_all(app: web.Application) -> None:
    """Tell every browser that the gateway goes away, and when to connect again."""
    # Not drained: whoever takes nothing must not keep us from stopping.
    closing = [ws.close(code=WSCloseCode.GOING_AWAY, message=GOING_AWAY, drain=False) for ws in app[SOCKETS]]
    await asyncio.gather(*closing)


def _asked(request: web.Request) -> Subscription:
    try:
        return subscription.from_query(request.query)
    except ValueError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _listen(ws: web.WebSocketResponse, hub: Hub, client: Client) -> None:
    """Heed what the client says until it is gone."""
    async for received in ws:
        if received.type is WSMsgType.TEXT:
            hub.heed(client, received.data)
        elif received.type is WSMsgType.BINARY:
            await ws.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"messages are JSON text")


async def _pump(way: SocketLine, client: Client, remote: str | None) -> None:
    """Bring the client up each time that it is behind and its line is drained, until it takes nothing any more."""
    try:
        while True:
            await client.wake.wait()
            client.wake.clear()
            await way.drain()
            if client.channel:
                client.channel.bring_up(client)
    except ConnectionError:
        return
    except StalledError:
        _dropped(client, f"a browser took nothing for {line.STALLED_SECONDS:g} s", remote)
        way.abort()


def _dropped(client: Client, why: str, remote: str | None) -> None:
    client.counts.websocket_clients_dropped += 1
    log.warning("websocket.dropped", f"{why} and is let go of", peer=remote)
