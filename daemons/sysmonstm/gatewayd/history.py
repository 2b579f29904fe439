"""/api/machines/{machine}/history: min, mean and max of a metric in buckets, one aligned array for each instance."""

from __future__ import annotations

import asyncio
import math
import time
from json import dumps

from aiohttp import web

from sysmonstm.gatewayd import buckets, parameters
from sysmonstm.gatewayd.buckets import Buckets
from sysmonstm.gatewayd.fleet_queries import MachineGapRow
from sysmonstm.gatewayd.keys import GATEWAY
from sysmonstm.gatewayd.parameters import HistoryRequest
from sysmonstm.gatewayd.queries import Database, GapRow, History, MachineRow, SeriesRow, TierRow
from sysmonstm.problem import bad_parameter, not_found
from sysmonstm.wire import MAX_TEXT, json_values

# Of all instances together: 500 units on a wide screen are some 12 MB of text. Where there are more, as of a year of
# containers, their buckets are made wider, as long as there are so many.
MOST_READINGS = 500_000
FEWEST_BUCKETS = 50
WIDER = 4


async def history(request: web.Request) -> web.Response:
    """What a metric of a machine was."""
    database = request.app[GATEWAY].database
    name = parameters.machine_name(request.match_info["machine"])
    asked = parameters.history_request(request.query, time.time_ns() // 1000)
    machine = await database.machine(name)
    if machine is None:
        raise parameters.unknown_machine(name)
    chosen, found = await _bounded(database, name, machine, asked)
    if found is None:
        raise not_found("metric", f"{name} has no metric {asked.metric[:MAX_TEXT]!r}; /api/metrics lists what there is")
    series = []
    for row in found.series:
        series.append(_series(row, chosen))
        # Hundreds of instances take a second, in which everything live would wait.
        await asyncio.sleep(0)
    head = _head(name, machine, asked, chosen, found)
    return web.Response(text=f'{head[:-1]},"series":[{",".join(series)}]}}', content_type="application/json")


async def _bounded(
    database: Database, name: str, machine: MachineRow, asked: HistoryRequest
) -> tuple[Buckets, History | None]:
    """In buckets as narrow as are asked for, or as are possible; ProblemError if there are too many instances."""
    points = asked.points
    while True:
        chosen = buckets.choose(asked.from_us, asked.to_us, points, machine.interval_us, machine.tiers)
        # Buckets in which nothing was read are written too.
        most = MOST_READINGS // chosen.count
        found = await database.history(name, machine, asked, chosen, most + 1)
        if found is None or len(found.series) <= most:
            return chosen, found
        if points <= FEWEST_BUCKETS:
            raise bad_parameter(
                "points", f"that is more than {MOST_READINGS} readings; ask for fewer points, or one instance"
            )
        points = max(points // WIDER, FEWEST_BUCKETS)


def _head(name: str, machine: MachineRow, asked: HistoryRequest, chosen: Buckets, found: History) -> str:
    return dumps(
        {
            "machine": name,
            "first_seen": machine.first_seen.timestamp(),
            "metric": asked.metric,
            "unit": found.unit,
            "kind": found.kind,
            "from": asked.from_us / 1e6,
            "to": asked.to_us / 1e6,
            "step_seconds": chosen.step_us / 1e6,
            "tiers": [_tier(one) for one in found.tiers],
            "gaps": [gap_fields(one) for one in found.gaps],
            "times": chosen.times(),
        }
    )


def _tier(row: TierRow) -> dict[str, object]:
    return {"tier": row.tier, "from": row.start.timestamp(), "to": row.end.timestamp()}


def gap_fields(row: GapRow | MachineGapRow) -> dict[str, object]:
    """What an answer says of a gap."""
    start, end = (one and one.timestamp() for one in (row.start, row.end))
    return {"from": start, "to": end, "frames": row.frames, "reason": row.reason}


def _series(row: SeriesRow, chosen: Buckets) -> str:
    return f'{{"instance":{dumps(row.instance)},{series_arrays(row, chosen.count)}}}'


def series_arrays(row: SeriesRow, count: int) -> str:
    """One instance's arrays as members of a JSON object, each with `count` numbers."""
    arrays = (_spread(row.buckets, numbers, count) for numbers in (row.minima, row.means, row.maxima))
    low, mean, high = map(json_values, arrays)
    return f'"min":{low},"mean":{mean},"max":{high}'


def _spread(buckets: list[int], numbers: list[float], count: int) -> list[float]:
    spread = [math.nan] * count
    for bucket, one in zip(buckets, numbers, strict=True):
        spread[bucket] = one
    return spread
