"""The JSON API but for history: the machines now, the catalogue of metrics, alerts, events, and how the gateway is."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from aiohttp import web

from sysmonstm.bus import Machine
from sysmonstm.gatewayd import openapi, parameters
from sysmonstm.gatewayd.alerts import AlertdAwayError
from sysmonstm.gatewayd.keys import GATEWAY
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.queries import RejectRow
from sysmonstm.gatewayd.texts import describe_metric, number
from sysmonstm.problem import RETRY_SECONDS, ProblemError

# What is live has its turn in between: with many metrics each machine takes up to a millisecond.
MACHINES_A_TURN = 20


def _answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.json_response(text=json.dumps(value, allow_nan=False), status=status)


async def machines(request: web.Request) -> web.Response:
    """All machines, with those of their values that were asked for."""
    hub = request.app[GATEWAY].hub
    metrics = parameters.metric_names(request.query)
    described = []
    for position, name in enumerate(sorted(hub.fleet.machines)):
        if position % MACHINES_A_TURN == 0:
            await asyncio.sleep(0)
        # It may have been forgotten meanwhile.
        if name in hub.fleet.machines:
            described.append(_machine(hub, name, metrics))
    return _answer({"machines": described})


def _machine(hub: Hub, name: str, metrics: tuple[str, ...] | None) -> dict[str, object]:
    machine = hub.fleet.machines[name]
    described: dict[str, object] = {
        "machine": name,
        "state": hub.state(name),
        "time": machine.frame.frame.time_us / 1e6 if machine.frame else None,
        "received": machine.frame.received_us / 1e6 if machine.frame else None,
        "skew_seconds": machine.frame.skew_us / 1e6 if machine.frame else None,
        "interval_seconds": number(machine.hello.interval_seconds),
        "agent_version": machine.hello.agent_version,
        "facts": dict(machine.hello.facts),
        "tags": list(machine.hello.tags),
    }
    if metrics is not None:
        found = {metric: _values(hub, machine, metric) for metric in metrics}
        described["values"] = {metric: values for metric, values in found.items() if values}
    return described


def _values(hub: Hub, machine: Machine, metric: str) -> dict[str, float | None]:
    """The metric's newest values by instance; empty if the machine has none."""
    if machine.frame is None:
        return {}
    layout, values = hub.fleet.layout(machine.frame), machine.frame.frame.values
    return {layout.series[at].instance: number(values[at]) for at in layout.positions.get(metric, ())}


async def machine_metrics(request: web.Request) -> web.Response:
    """Every metric of one machine with its newest values."""
    hub = request.app[GATEWAY].hub
    name = parameters.machine_name(request.match_info["machine"])
    machine = hub.fleet.machines.get(name)
    if machine is None:
        raise parameters.unknown_machine(name)
    # A local program may use one name with tags and without: its values are told together.
    metrics = {one.name: one for one in hub.fleet.layout(machine.frame).metrics} if machine.frame else {}
    described = [
        describe_metric(metric)
        | {
            "values": [
                {"instance": instance, "value": value} for instance, value in _values(hub, machine, metric.name).items()
            ]
        }
        for metric in metrics.values()
    ]
    moment = machine.frame.frame.time_us / 1e6 if machine.frame else None
    return _answer({"machine": name, "state": hub.state(name), "time": moment, "metrics": described})


async def metrics(request: web.Request) -> web.Response:
    """The catalogue: every metric that any machine has now, by name."""
    fleet = request.app[GATEWAY].hub.fleet
    known = {metric.name: metric for layout in fleet.layouts.values() for metric in layout.metrics}
    return _answer({"metrics": [describe_metric(known[name]) for name in sorted(known)]})


async def alerts(request: web.Request) -> web.Response:
    """What is wrong now, or may be soon."""
    rows = await request.app[GATEWAY].database.alerts()
    return _answer(
        {
            "alerts": [
                row._asdict()
                | {
                    "value": number(row.value),
                    "threshold": None if row.threshold is None else number(row.threshold),
                    "since": row.since.timestamp(),
                }
                for row in rows
            ]
        }
    )


async def rules(request: web.Request) -> web.Response:
    """The rules that alerts come of, each with how many there are."""
    try:
        return _answer({"rules": await request.app[GATEWAY].alertd.rules()})
    except AlertdAwayError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_seconds=RETRY_SECONDS) from None


async def events(request: web.Request) -> web.Response:
    """What happened, newest first."""
    rows = await request.app[GATEWAY].database.events(parameters.events_request(request.query))
    return _answer({"events": [row._asdict() | {"time": row.time.timestamp()} for row in rows]})


async def rejects(request: web.Request) -> web.Response:
    """Samples that were refused and kept apart, newest first."""
    query = request.query
    rows = await request.app[GATEWAY].database.rejects(
        parameters.text(query, "machine"),
        parameters.whole_number(query, "limit", parameters.DEFAULT_REJECTS, parameters.MAX_REJECTS),
    )
    return _answer({"rejects": [_reject(row) for row in rows]})


def _reject(row: RejectRow) -> dict[str, object]:
    times = {"received": row.received.timestamp(), "time": row.time_us / 1e6}
    described = {"machine": row.machine, "stream": row.stream.hex(), "seq": row.seq, "reason": row.reason}
    return described | times | {"values": row.values}


async def health(_: web.Request) -> web.Response:
    """The process answers."""
    return _answer({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Whether what the gateway needs is there."""
    readiness = request.app[GATEWAY].readiness
    return _answer(readiness.describe(), HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE)


async def description(_: web.Request) -> web.Response:
    """This API, for programs."""
    return _answer(openapi.document())
