"""The control interface: HTTP and JSON on a unix socket, for sysmonctl and the gateway.

GET  /status  how it goes: machines, rules, what fires, what cannot be reached, what waits
GET  /rules   the rules that hold, with every key, where each is from and how many alerts it has
GET  /alerts  what fires and what is pending, with the seconds that are left until it fires
POST /check   a rules file as the body: whether it is good, or the one line that says why not; changes nothing
POST /test    sends a test notification now and says how that went
POST /reload  what SIGHUP does, and says whether the new settings were taken

Who may ask is whoever may open the socket. Errors are problems (RFC 9457).
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from sysmonstm import logs, problem
from sysmonstm.alertd import report
from sysmonstm.alertd.parts import Parts
from sysmonstm.alertd.rulefile import parse_rules
from sysmonstm.alertd.webhook import shown_address
from sysmonstm.config import UserError
from sysmonstm.problem import ProblemError

MOST_BODY_BYTES = 64 * 1024
# Longer than a test notification or a reload takes.
ANSWER_SECONDS = 60.0
# struct ucred: pid, uid, gid.
CREDENTIALS = struct.Struct("3i")

# The members of every notification; what it is not about is empty.
TEST_NOTIFICATION: dict[str, object] = {
    "version": 1,
    "state": "test",
    "rule": "",
    "severity": "info",
    "machine": "",
    "metric": "",
    "instance": "",
    "value": None,
    "threshold": None,
    "message": "A test notification: somebody wants to see whether alerts arrive here.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Reload = Callable[[], Awaitable[Sequence[str]]]

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Control:
    """What the handlers share. Who asks for `work` does so alone: others are told to come back."""

    parts: Parts
    reload: Reload
    work: asyncio.Lock


CONTROL = web.AppKey("control", Control)


def make_app(parts: Parts, reload: Reload) -> web.Application:
    """The application. `reload` gives the names of the settings that changed; UserError if they are refused."""
    app = web.Application(middlewares=[_make_problem, _log_post], client_max_size=MOST_BODY_BYTES)
    app[CONTROL] = Control(parts, reload, asyncio.Lock())
    app.add_routes(
        [
            web.get("/status", _status),
            web.get("/rules", _rules),
            web.get("/alerts", _alerts),
            web.post("/check", _check),
            web.post("/test", _test),
            web.post("/reload", _reload),
        ]
    )
    return app


def _answer(value: object) -> web.Response:
    return web.json_response(text=json.dumps(value, allow_nan=False))


async def _status(request: web.Request) -> web.Response:
    return _answer(report.status(request.app[CONTROL].parts))


async def _rules(request: web.Request) -> web.Response:
    return _answer({"rules": report.rules(request.app[CONTROL].parts)})


async def _alerts(request: web.Request) -> web.Response:
    return _answer({"alerts": report.alerts(request.app[CONTROL].parts)})


async def _check(request: web.Request) -> web.Response:
    try:
        text = await request.text()
    except UnicodeDecodeError:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "the rules are not UTF-8") from None
    async with _turn(request):
        try:
            # Text that was made to take long must not hold up the evaluation.
            rules = await asyncio.to_thread(parse_rules, text, "the file")
        except UserError as error:
            return _answer({"good": False, "fault": str(error), "rules": None})
    return _answer({"good": True, "fault": None, "rules": len(rules)})


async def _test(request: web.Request) -> web.Response:
    webhook = request.app[CONTROL].parts.webhook
    if webhook.url is None:
        raise ProblemError(HTTPStatus.CONFLICT, "no webhook is set; ALERTS_WEBHOOK_URL says where to post")
    async with _turn(request):
        key, began = uuid.uuid4(), time.monotonic()
        answer = await webhook.post(key, TEST_NOTIFICATION | {"id": str(key), "since": time.time()})
    took = time.monotonic() - began
    result = {"taken": answer.error is None, "status": answer.status, "error": answer.error}
    log.info("control.tested", "a test notification was sent", seconds=round(took, 3), **result)
    return _answer(result | {"webhook": shown_address(webhook.url or ""), "seconds": round(took, 3)})


async def _reload(request: web.Request) -> web.Response:
    async with _turn(request):
        try:
            changed = await request.app[CONTROL].reload()
        except UserError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    return _answer({"taken": True, "changed": list(changed), "rules": len(request.app[CONTROL].parts.engine.rules)})


@asynccontextmanager
async def _turn(request: web.Request) -> AsyncIterator[None]:
    """Be the only one that has such work done."""
    lock = request.app[CONTROL].work
    if lock.locked():
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "somebody else has just asked for such work; try again soon")
    async with lock:
        yield


@web.middleware
async def _make_problem(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await handler(request)
    except ProblemError as error:
        return problem.response(error.status, error.detail)
    except web.HTTPRequestEntityTooLarge:
        return problem.response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BODY_BYTES} bytes are taken")
    except web.HTTPException as error:
        return problem.refusal(request, error, "there is nothing here; GET /status, /rules and /alerts are")
    except TimeoutError:
        return problem.response(HTTPStatus.SERVICE_UNAVAILABLE, f"that took longer than {ANSWER_SECONDS:g} s")
    except ConnectionError:
        raise  # the client is gone
    except Exception:  # noqa: BLE001 - the last resort for a bug in a handler: this request fails, alerts go on
        return problem.bug(request, "sysmon-alertd")


@web.middleware
async def _log_post(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "POST":
        pid, uid, gid = _peer(request)
        # Paths are ours only where there is a handler for them.
        resource = request.match_info.route.resource
        path = resource.canonical if resource else ""
        log.info("control.asked", f"asked for {path or 'what is not there'}", path=path, pid=pid, uid=uid, gid=gid)
    return await handler(request)


def _peer(request: web.Request) -> tuple[int, int, int]:
    """Which process asks, and as whom: pid, uid, gid; -1 each if it has gone."""
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is None:
        return -1, -1, -1
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, gid = CREDENTIALS.unpack(raw)
    return pid, uid, gid
