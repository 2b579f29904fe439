"""What the handlers share, and the keys that it lies under in the application."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sysmonstm.gatewayd.alerts import AlertdClient
from sysmonstm.gatewayd.fleet_queries import FleetHistory
from sysmonstm.gatewayd.guard import Hosts
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.queries import Database
from sysmonstm.gatewayd.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Gateway:
    """The fleet, its history, who watches over it, and how well they can be reached; and how we may be called."""

    hub: Hub
    database: Database
    fleet_history: FleetHistory
    alertd: AlertdClient
    readiness: Readiness
    hosts: Hosts


GATEWAY = web.AppKey("gateway", Gateway)
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])
