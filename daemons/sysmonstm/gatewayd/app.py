"""The HTTP application: which path is answered by what."""

from __future__ import annotations

from aiohttp import web

from sysmonstm.gatewayd import api, compression, guard, openapi, pages, websocket
from sysmonstm.gatewayd.fleet_history import fleet_history
from sysmonstm.gatewayd.history import history
from sysmonstm.gatewayd.keys import GATEWAY, SOCKETS, Gateway
from sysmonstm.gatewayd.scrape import scrape

# A hundred machines' names of any length fit into an address.
MAX_ADDRESS = 16_384

ROUTES = (
    web.get("/", pages.index),
    web.get("/api/machines", api.machines),
    web.get("/api/machines/{machine}/metrics", api.machine_metrics),
    web.get("/api/machines/{machine}/history", history),
    web.get("/api/history", fleet_history),
    web.get("/api/metrics", api.metrics),
    web.get("/api/alerts", api.alerts),
    web.get("/api/rules", api.rules),
    web.get("/api/events", api.events),
    web.get("/api/rejects", api.rejects),
    web.get("/api/openapi.json", api.description),
    web.get("/health", api.health),
    web.get("/ready", api.ready),
    web.get("/metrics", scrape),
    web.get("/static/{path:.+}", pages.static_file),
    web.get("/ws", websocket.websocket),
)


def make_app(gateway: Gateway) -> web.Application:
    """The application."""
    counts = gateway.hub.counts
    app = web.Application(
        middlewares=[
            guard.problem_middleware(counts),
            guard.host_middleware(gateway.hosts),
            guard.refuse_other_sites,
            guard.query_middleware(openapi.QUERIES),
            compression.compress,
        ],
        handler_args={"max_line_size": MAX_ADDRESS},
    )
    app[GATEWAY] = gateway
    app[SOCKETS] = set()
    app.on_response_prepare.append(guard.add_headers)
    app.add_routes(ROUTES)
    pages.setup(app)
    app.on_shutdown.append(websocket.close_all)
    return app
