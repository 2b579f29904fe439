"""/metrics: the whole fleet for Prometheus, without keeping live clients waiting while it is written."""

from __future__ import annotations

import asyncio

from aiohttp import web

from sysmonstm.bus import State
from sysmonstm.gatewayd.keys import GATEWAY
from sysmonstm.gatewayd.prometheus import CONTENT_TYPE, Exposition

# A millisecond or two of work at 100 values a machine.
MACHINES_A_TURN = 10


async def scrape(request: web.Request) -> web.Response:
    """Every value of the machines whose samples come, and how the gateway is."""
    hub = request.app[GATEWAY].hub
    exposition = Exposition()
    exposition.add_counts(hub.counts, len(hub.clients), hub.unsent_bytes, live=hub.live)
    for number, name in enumerate(sorted(hub.fleet.machines)):
        if number % MACHINES_A_TURN == 0:
            await asyncio.sleep(0)
        machine = hub.fleet.machines.get(name)
        if machine is None:
            continue  # gone since the list was made
        up = hub.state(name) is State.UP
        exposition.add_machine(name, up=up)
        # An old value would look like a new one: Prometheus gives it the time of the scrape.
        if machine.frame and up:
            exposition.add_sample(name, hub.fleet.layout(machine.frame), machine.frame.frame.values)
    return web.Response(body=exposition.text().encode(), headers={"Content-Type": CONTENT_TYPE})
