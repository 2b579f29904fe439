"""The WebSocket at /ws: lets a browser in, hears what it asks for, and lets go of one that takes nothing."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web

from sysmonstm import logs
from sysmonstm.gatewayd import backlog, pulse, subscription
from sysmonstm.gatewayd.backlog import Backlog
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.guard import check_origin
from sysmonstm.gatewayd.keys import GATEWAY, SOCKETS
from sysmonstm.gatewayd.line import SocketLine
from sysmonstm.gatewayd.live import MAX_CLIENTS, Hub
from sysmonstm.gatewayd.messages import PING, pong
from sysmonstm.gatewayd.pulse import Pulse, Verdict
from sysmonstm.gatewayd.subscription import Subscription
from sysmonstm.problem import ProblemError

CLOSE_SECONDS = 1.0
# Between two messages of a client that are looked at, pings and pongs too: it may have millions, and a wish costs us up
# to a millisecond.
HEED_SECONDS = 0.05
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
    # `compress` has aiohttp agree to permessage-deflate, and inflate what comes. We deflate, and ping: see line.py.
    ws = web.WebSocketResponse(autoping=False, timeout=CLOSE_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=True)
    writer = await ws.prepare(request)
    if request.transport is None:
        return ws  # it is gone already
    way = SocketLine(ws, request.transport, writer, hub.backlog)
    request.app[SOCKETS].add(ws)
    client, signs = Client(way, hub.counts), Pulse(time.monotonic())
    try:
        hub.join(client, asked)
        async with asyncio.TaskGroup() as group:
            work = _pump(way, client, hub), _look_after(way, client, signs, hub.backlog, request.remote)
            tasks = [group.create_task(one) for one in work]
            await _listen(ws, way, hub, client, signs)
            for task in tasks:
                task.cancel()
    finally:
        hub.leave(client)
        request.app[SOCKETS].discard(ws)
        way.let_go()
        if ws.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            # aiohttp only asks for the end, and what is unsent would be kept for as long as the client takes nothing.
            way.abort()
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


async def _listen(ws: web.WebSocketResponse, way: SocketLine, hub: Hub, client: Client, signs: Pulse) -> None:
    """Heed what the client says until it is gone."""
    async for received in ws:
        if way.closing:
            return  # what it said before it went may be more than could be looked at within the hour
        signs.heard(time.monotonic())
        if received.type is WSMsgType.BINARY:
            await ws.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"messages are JSON text")
            continue
        with way.unread():
            if received.type is WSMsgType.TEXT:
                hub.heed(client, received.data)
            elif received.type is WSMsgType.PING:
                if not await _drained(way):
                    return
                way.write(pong(received.data))
            await asyncio.sleep(HEED_SECONDS)


async def _pump(way: SocketLine, client: Client, hub: Hub) -> None:
    """Bring the client up each time that it is behind, its line is drained, and it may be sent what it is due."""
    while True:
        await client.wake.wait()
        client.wake.clear()
        if not await _drained(way):
            return
        await hub.backlog.room()
        while wait_seconds := client.picture_in(time.monotonic()):
            await asyncio.sleep(wait_seconds)
            await hub.backlog.room()
        if client.channel:
            client.channel.bring_up(client)


async def _drained(way: SocketLine) -> bool:
    """Wait until little is left; False if the connection is gone."""
    try:
        await way.drain()
    except ConnectionError:
        return False
    return True


async def _look_after(way: SocketLine, client: Client, signs: Pulse, unsent: Backlog, remote: str | None) -> None:
    """Ping a client that says nothing, and let go of one that is dead or keeps others from being sent anything."""
    while True:
        await asyncio.sleep(pulse.LOOK_SECONDS)
        if unsent.wanted and way.held_seconds > backlog.HOLD_SECONDS:
            why = f"a browser has taken more than {backlog.HOLD_SECONDS:g} s to read what others wait for the room of"
            return _let_go(way, client, why, remote)
        match signs.look(time.monotonic(), way.written, way.taken):
            case Verdict.PING:
                way.write(PING)
            case Verdict.STALLED:
                return _let_go(way, client, f"a browser took nothing for {pulse.STALLED_SECONDS:g} s", remote)
            case Verdict.SILENT:
                return _let_go(way, client, f"a browser did not answer within {pulse.ANSWER_SECONDS:g} s", remote)


def _let_go(way: SocketLine, client: Client, why: str, remote: str | None) -> None:
    client.counts.websocket_clients_dropped += 1
    log.warning("websocket.dropped", f"{why} and is let go of", peer=remote)
    way.abort()
