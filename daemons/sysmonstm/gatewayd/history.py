"""/api/machines/{machine}/history: min, mean and max of a metric in buckets, one aligned array for each instance."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from json import dumps

from aiohttp import web

from sysmonstm.gatewayd import buckets, parameters
from sysmonstm.gatewayd.buckets import Buckets
from sysmonstm.gatewayd.keys import GATEWAY
from sysmonstm.gatewayd.parameters import HistoryRequest
from sysmonstm.gatewayd.problem import not_found
from sysmonstm.gatewayd.queries import History, Reading
from sysmonstm.wire import MAX_TEXT, json_values

EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)


async def history(request: web.Request) -> web.Response:
    """What a metric of a machine was."""
    database = request.app[GATEWAY].database
    name = parameters.machine_name(request.match_info["machine"])
    asked = parameters.history_request(request.query, time.time_ns() // 1000)
    machine = await database.machine(name)
    if machine is None:
        raise parameters.unknown_machine(name)
    chosen = buckets.choose(asked.from_us, asked.to_us, asked.points, machine.interval_us)
    found = await database.history(machine, asked, chosen)
    if found is None:
        raise not_found("metric", f"{name} has no metric {asked.metric[:MAX_TEXT]!r}; /api/metrics lists what there is")
    return web.Response(text=_text(name, asked, chosen, found), content_type="application/json")


def _text(machine: str, asked: HistoryRequest, chosen: Buckets, found: History) -> str:
    head = dumps(
        {
            "machine": machine,
            "metric": asked.metric,
            "unit": found.unit,
            "kind": found.kind,
            "from": asked.from_us / 1e6,
            "to": asked.to_us / 1e6,
            "step_seconds": chosen.step_us / 1e6,
            "times": chosen.times(),
        }
    )
    return f'{head[:-1]},"series":[{",".join(_series(found.readings, chosen))}]}}'


def _series(readings: Iterable[Reading], chosen: Buckets) -> Iterable[str]:
    """Each instance's arrays as JSON text, in the order of their names."""
    by_instance: dict[str, list[Reading]] = {}
    for reading in readings:
        by_instance.setdefault(reading.instance, []).append(reading)
    for instance, own in sorted(by_instance.items()):
        low, mean, high = ([math.nan] * chosen.count for _ in range(3))
        for reading in own:
            if reading.mean is None or reading.minimum is None or reading.maximum is None:
                continue
            position = chosen.position((reading.bucket - EPOCH) // MICROSECOND)
            low[position], mean[position], high[position] = reading.minimum, reading.mean, reading.maximum
        arrays = f'"min":{json_values(low)},"mean":{json_values(mean)},"max":{json_values(high)}'
        yield f'{{"instance":{dumps(instance)},{arrays}}}'
