"""What the handlers share, and the keys that it lies under in the application."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.queries import Database
from sysmonstm.gatewayd.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Gateway:
    """The fleet, its history, and how well both can be reached."""

    hub: Hub
    database: Database
    readiness: Readiness


GATEWAY = web.AppKey("gateway", Gateway)
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])
