"""The WebSocket at /ws: lets a browser in, sends it what the hub has for it, and lets go of one that takes nothing."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web

from sysmonstm import logs
from sysmonstm.gatewayd.guard import check_origin
from sysmonstm.gatewayd.keys import GATEWAY, SOCKETS
from sysmonstm.gatewayd.live import MAX_CLIENTS, Client, Hub
from sysmonstm.problem import ProblemError

HEARTBEAT_SECONDS = 20.0
STALLED_SECONDS = 30.0
CLOSE_SECONDS = 1.0
GOING_AWAY = b"the gateway restarts; connect again in 1 s"
MAX_MESSAGE_BYTES = 64 * 1024
# How much of what is unsent may lie in the kernel. The rest waits here, where newer samples replace older ones.
UNSENT_BYTES = 128 * 1024
TCP_NOTSENT_LOWAT = 25  # a name in Python's socket module since 3.12

log = logs.logger(__name__)


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """A snapshot, then changes."""
    check_origin(request.headers)
    hub = request.app[GATEWAY].hub
    if len(hub.clients) >= MAX_CLIENTS:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_CLIENTS} browsers are connected already")
    # Deflating for each client would cost 20 times what sending does.
    ws = web.WebSocketResponse(
        heartbeat=HEARTBEAT_SECONDS, timeout=CLOSE_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=False
    )
    await ws.prepare(request)
    _keep_little_in_kernel(request.transport)
    client = Client(hub.counts)
    client.wake.set()
    hub.clients.add(client)
    request.app[SOCKETS].add(ws)
    try:
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(_pump(ws, hub, client, request))
            await _listen(ws, hub, client)
            pump.cancel()
    finally:
        hub.clients.discard(client)
        request.app[SOCKETS].discard(ws)
    return ws


async def close_all(app: web.Application) -> None:
    """Tell every browser that the gateway goes away, and when to connect again."""
    closing = [ws.close(code=WSCloseCode.GOING_AWAY, message=GOING_AWAY) for ws in app[SOCKETS]]
    await asyncio.gather(*closing)


async def _listen(ws: web.WebSocketResponse, hub: Hub, client: Client) -> None:
    """Heed what the client says until it is gone."""
    async for received in ws:
        if received.type is WSMsgType.TEXT:
            hub.heed(client, received.data)
        elif received.type is WSMsgType.BINARY:
            await ws.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"messages are JSON text")


async def _pump(ws: web.WebSocketResponse, hub: Hub, client: Client, request: web.Request) -> None:
    """Send what there is as soon as there is something, until the client is gone or takes nothing any more."""
    try:
        while True:
            await client.wake.wait()
            for text in hub.take(client):
                await _send(ws, text, request.transport)
                hub.counts.websocket_messages += 1
    except ConnectionError:
        return
    except _StalledError:
        hub.counts.websocket_clients_dropped += 1
        sentence = f"a browser took nothing for {STALLED_SECONDS:g} s and is let go of"
        log.warning("websocket.dropped", sentence, peer=request.remote)
        if request.transport:
            request.transport.abort()


class _StalledError(Exception):
    """The client has not taken a byte for too long."""


async def _send(ws: web.WebSocketResponse, text: str, transport: asyncio.Transport | None) -> None:
    """Send a message; _StalledError if for STALLED_SECONDS not a byte of what is unsent leaves."""
    sending = asyncio.ensure_future(ws.send_str(text))
    try:
        while True:
            unsent = transport.get_write_buffer_size() if transport else 0
            done, _ = await asyncio.wait({sending}, timeout=STALLED_SECONDS)
            if done:
                return sending.result()
            if transport and transport.get_write_buffer_size() >= unsent:
                raise _StalledError
    finally:
        sending.cancel()


def _keep_little_in_kernel(transport: asyncio.Transport | None) -> None:
    sock = transport.get_extra_info("socket") if transport else None
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
