"""/api/history: one metric of many machines, on one grid of buckets."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from json import dumps

from aiohttp import ClientConnectionResetError, web

from sysmonstm.gatewayd import buckets, parameters
from sysmonstm.gatewayd.buckets import Buckets
from sysmonstm.gatewayd.fleet_queries import MachineGapRow, Meaning, Question
from sysmonstm.gatewayd.history import gap_fields, series_arrays
from sysmonstm.gatewayd.keys import GATEWAY
from sysmonstm.gatewayd.parameters import FleetHistoryRequest
from sysmonstm.problem import bad_parameter, not_found
from sysmonstm.wire import MAX_TEXT

# Of all series together: 2,500 series of 100 buckets are some 6 MB of text.
MOST_READINGS = 250_000


@dataclass(frozen=True, slots=True)
class SeriesText:
    """What one instance of a machine read, as a member of the answer."""

    machine: str
    unit: str
    text: str


async def fleet_history(request: web.Request) -> web.Response:
    """What a metric of some machines was."""
    asked = parameters.fleet_history_request(request.query, time.time_ns() // 1000)
    async with request.app[GATEWAY].fleet_history.question() as question:
        known = await question.known(asked)
        if not known.meanings:
            raise not_found("metric", f"no machine ever had a metric {asked.metric[:MAX_TEXT]!r}")
        chosen = buckets.choose(asked.from_us, asked.to_us, asked.points, known.interval_us, known.tiers)
        names = [name for name in asked.machines if name in known.ids]
        series = await _series(request, question, names, asked, chosen)
        silent = set(names) - {one.machine for one in series}
        having = await question.having_now([known.ids[name] for name in silent], asked.metric) if silent else set()
        gaps = await question.gaps(list(known.ids.values()), asked)
    found = {one.machine for one in series} | having
    unknown = [name for name in asked.machines if name not in found]
    return web.Response(
        text=_text(asked, chosen, _meaning(known.meanings, series), series, gaps, unknown),
        content_type="application/json",
    )


async def _series(
    request: web.Request, question: Question, names: Sequence[str], asked: FleetHistoryRequest, chosen: Buckets
) -> list[SeriesText]:
    found, readings = [], 0
    # Whoever asks for too much, or breaks off, gives the connection back at once.
    async with aclosing(question.series(names, asked, chosen)) as rows:
        async for machine, row in rows:
            if request.transport is None:
                raise ClientConnectionResetError("nobody waits for the answer any more")
            # Buckets in which nothing was read are written too.
            readings += chosen.count
            if readings > MOST_READINGS:
                raise bad_parameter(
                    "points",
                    f"that is more than {MOST_READINGS} readings; ask for fewer points, fewer machines or one instance",
                )
            head = f'{{"machine":{dumps(machine)},"instance":{dumps(row.instance)}'
            found.append(SeriesText(machine, row.unit, f"{head},{series_arrays(row, chosen.count)}}}"))
    return found


def _meaning(meanings: Sequence[Meaning], series: Iterable[SeriesText]) -> Meaning:
    """What the numbers of most machines mean, of equally many the first's; if there are none, the newest."""
    units = Counter(unit for _, unit in dict.fromkeys((one.machine, one.unit) for one in series))
    if not units:
        return meanings[0]
    unit = units.most_common(1)[0][0]
    return next((one for one in meanings if one.unit == unit), Meaning(unit, meanings[0].kind))


def _text(
    asked: FleetHistoryRequest,
    chosen: Buckets,
    meaning: Meaning,
    series: Iterable[SeriesText],
    gaps: Iterable[MachineGapRow],
    unknown: list[str],
) -> str:
    others = dict.fromkeys((one.machine, one.unit) for one in series if one.unit != meaning.unit)
    head = dumps(
        {
            "metric": asked.metric,
            "unit": meaning.unit,
            "kind": meaning.kind,
            "from": asked.from_us / 1e6,
            "to": asked.to_us / 1e6,
            "step_seconds": chosen.step_us / 1e6,
            "gaps": [{"machine": one.machine} | gap_fields(one) for one in gaps],
            "unknown": unknown,
            "left_out": [{"machine": machine, "unit": unit} for machine, unit in others],
            "times": chosen.times(),
        }
    )
    return f'{head[:-1]},"series":[{",".join(one.text for one in series if one.unit == meaning.unit)}]}}'
