"""/api/history, one metric of many machines, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from yarl import URL

from sysmonstm.gatewayd import fleet_history, fleet_queries
from sysmonstm.gatewayd.app import make_app
from sysmonstm.gatewayd.history import series_arrays
from sysmonstm.gatewayd.queries import SeriesRow
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from sysmonstm.serving import serving as served
from tests.gatewayd.fleet_publisher import CPU, DISK, LAYOUT, OTHER_LAYOUT, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway, until

START = 1_700_000_000  # a multiple of 5, 10, 20, 100 and 1000
HISTORY = "/api/history?metric=cpu.percent&machines="


async def test_machines_share_the_grid_of_the_longest_interval(gateway: RunningGateway, writer: HistoryWriter) -> None:
    layout, other = writer.layout(LAYOUT), writer.layout(OTHER_LAYOUT)
    web, db = writer.machine("web1", interval=2.5), writer.machine("db1", interval=10)
    for number, value in enumerate([1, 3, math.nan, math.nan, 7, 7.5]):
        writer.frame(web, layout, START + 10 * number, [value, 0, 0, 0])
    writer.frame(db, other, START + 25, [0, 0, 0, 9])
    answer = await gateway.get(f"{HISTORY}web1,db1&from={START}&to={START + 60}")
    assert answer == {
        "metric": "cpu.percent",
        "unit": "percent",
        "kind": "rate",
        "from": START,
        "to": START + 60,
        "step_seconds": 20.0,
        "gaps": [],
        "unknown": [],
        "left_out": [],
        "times": [START, START + 20, START + 40],
        "series": [
            {"machine": "web1", "instance": "", "min": [1, None, 7], "mean": [2, None, 7.25], "max": [3, None, 7.5]},
            {"machine": "db1", "instance": "", "min": [None, 9, None], "mean": [None, 9, None], "max": [None, 9, None]},
        ],
    }


async def test_a_machine_is_answered_as_its_own_history_is(gateway: RunningGateway, writer: HistoryWriter) -> None:
    layout = writer.layout(LAYOUT)
    names = [f"m{number}" for number in range(25)]  # more than a portion
    for number, name in enumerate(names):
        machine = writer.machine(name)
        for sample in range(4):
            writer.frame(machine, layout, START + 5 * sample, [number + sample / 3, 0, 0, 0])
    span = f"from={START}&to={START + 40}&points=3"
    answer = await gateway.get(f"{HISTORY}{','.join(names)}&{span}")
    assert [one["machine"] for one in answer["series"]] == names
    for series in answer["series"]:
        alone = await gateway.get(f"/api/machines/{series['machine']}/history?metric=cpu.percent&{span}")
        assert alone["series"] == [{name: values for name, values in series.items() if name != "machine"}]
        assert alone["times"] == answer["times"]


async def test_instances_are_series_of_their_own_or_one_alone(gateway: RunningGateway, writer: HistoryWriter) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START, [0, 0, 0, 1])
    writer.frame(writer.machine("web2"), writer.layout(OTHER_LAYOUT), START, [0, 1, 2, 0])
    path = f"/api/history?metric=filesystem.percent&machines=web1,web2&from={START}&to={START + 5}"
    assert _named(await gateway.get(path)) == [("web1", "/"), ("web2", "/"), ("web2", "/srv")]
    alone = await gateway.get(f"{path}&instance=/srv")
    assert (_named(alone), alone["unknown"]) == ([("web2", "/srv")], [])


def _named(answer: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(one["machine"], one["instance"]) for one in answer["series"]]


async def test_who_has_no_such_history_is_named_and_who_was_silent_is_not(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    layout, disk_only = writer.layout(LAYOUT), writer.layout(Layout((Series(DISK, "/"),)))
    writer.frame(writer.machine("web1"), layout, START, [1, 0, 0, 0])
    writer.frame(writer.machine("silent"), layout, START - 5000, [1, 0, 0, 0])
    writer.frame(writer.machine("disks"), disk_only, START, [1])
    writer.machine("waiting")
    answer = await gateway.get(f"{HISTORY}nobody,web1,silent,disks,waiting&from={START}&to={START + 5}")
    assert (_named(answer), answer["unknown"]) == ([("web1", "")], ["nobody", "disks", "waiting"])


async def test_when_no_machine_has_it_the_answer_is_empty_and_what_never_was_is_a_problem(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START, [1, 0, 0, 0])
    answer = await gateway.get(f"{HISTORY}gone,away&from={START}&to={START + 5}")
    assert (answer["series"], answer["unknown"], answer["unit"]) == ([], ["gone", "away"], "percent")
    problem = await gateway.get("/api/history?metric=cpu.persent&machines=web1", 404)
    assert problem["parameter"] == "metric"


@pytest.mark.parametrize(
    ("machines", "unit", "left_out"),
    [
        ("old1,new1,new2", "seconds", [{"machine": "old1", "unit": "percent"}]),
        ("old1,new1", "percent", [{"machine": "new1", "unit": "seconds"}]),
        ("new1,old1", "seconds", [{"machine": "old1", "unit": "percent"}]),
    ],
)
async def test_the_unit_is_that_of_most_or_of_the_first_and_others_are_named(
    gateway: RunningGateway, writer: HistoryWriter, machines: str, unit: str, left_out: list[dict[str, str]]
) -> None:
    renewed = Metric("cpu.percent", Unit.SECONDS, Kind.GAUGE, "Another thing")
    before, after = writer.layout(Layout((Series(CPU),))), writer.layout(Layout((Series(renewed),)))
    for name, layout in (("old1", before), ("new1", after), ("new2", after)):
        writer.frame(writer.machine(name), layout, START, [1])
    answer = await gateway.get(f"{HISTORY}{machines}&from={START}&to={START + 5}")
    assert (answer["unit"], answer["left_out"]) == (unit, left_out)
    assert answer["kind"] == ("gauge" if unit == "seconds" else "rate")
    assert {one["machine"] for one in answer["series"]} | {one["machine"] for one in left_out} == set(
        machines.split(",")
    )
    assert answer["unknown"] == []


async def test_gaps_say_whose_they_are(gateway: RunningGateway, writer: HistoryWriter) -> None:
    layout = writer.layout(LAYOUT)
    for name, first in (("web1", 30), ("web2", 10), ("other", 20)):
        machine = writer.machine(name)
        writer.frame(machine, layout, START, [1, 0, 0, 0])
        stream, _ = writer.stream(machine)
        writer.gap(machine, stream, 1, 5, "shed", START + first, START + first + 5)
        writer.gap(machine, stream, 7, 7, "shed", START + 9000, START + 9001)
    answer = await gateway.get(f"{HISTORY}web1,web2&from={START}&to={START + 60}")
    assert answer["gaps"] == [
        {"machine": "web2", "from": START + 10, "to": START + 15, "frames": 5, "reason": "shed"},
        {"machine": "web1", "from": START + 30, "to": START + 35, "frames": 5, "reason": "shed"},
    ]


async def test_a_machine_twice_is_a_machine_once_and_names_may_be_as_long_as_names_can_be(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    layout = writer.layout(LAYOUT)
    names = [f"{number:03}{'x' * 125}" for number in range(100)]
    writer.frame(writer.machine(names[99]), layout, START, [1, 0, 0, 0])
    answer = await gateway.get(f"{HISTORY}{','.join([*names, names[99]])}&from={START}&to={START + 5}")
    assert (_named(answer), len(answer["unknown"])) == ([(names[99], "")], 99)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("machines=web1", "metric"),
        ("metric=cpu.percent", "machines"),
        ("metric=cpu.percent&machines=", "machines"),
        ("metric=cpu.percent&machines=,,", "machines"),
        ("metric=cpu.percent&machines=web1,%00", "machines"),
        ("metric=cpu.percent&machines=web1,-x", "machines"),
        ("metric=cpu.percent&machines=" + ",".join(f"m{number}" for number in range(101)), "machines"),
        ("metric=cpu.percent&machines=web1&points=0", "points"),
        ("metric=cpu.percent&machines=web1&from=9&to=9", "from"),
        ("metric=cpu.percent&machines=web1&instance=%00", "instance"),
        ("metric=cpu.percent&machines=web1&to=x", "to"),
    ],
)
async def test_nonsense_is_a_problem_that_names_the_parameter(
    gateway: RunningGateway, query: str, parameter: str
) -> None:
    problem = await gateway.get(f"/api/history?{query}", 400)
    assert (problem["parameter"], bool(problem["detail"])) == (parameter, True)


async def test_too_much_is_refused_and_leaves_no_connection_behind(
    gateway: RunningGateway, writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _fill(writer, ["web1", "web2"], [[1, 2, 3, 4]] * 4)
    monkeypatch.setattr(fleet_history, "MOST_READINGS", 15)
    path = f"/api/history?metric=cpu.core_percent&machines=web1,web2&from={START}&to={START + 40}"
    for _ in range(2 * fleet_queries.QUESTIONS_AT_ONCE):
        assert (await gateway.get(path, 400))["parameter"] == "points"
    # Two cores of two machines in four buckets would be sixteen, though only two of these hold anything.
    assert len((await gateway.get(path.replace("web1,web2", "web1")))["series"]) == 2


async def _fill(writer: HistoryWriter, names: Sequence[str], frames: Sequence[Sequence[float]]) -> None:
    layout = writer.layout(LAYOUT)
    for name in names:
        machine = writer.machine(name)
        for number, values in enumerate(frames):
            writer.frame(machine, layout, START + 5 * number, values)


async def test_wide_questions_leave_connections_to_others_and_are_refused_when_they_wait_too_long(
    gateway: RunningGateway, writer: HistoryWriter, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_queries, "QUESTION_SECONDS", 1.0)
    names = [f"m{number}" for number in range(15)]
    await _fill(writer, names, [[1, 2, 3, 4]])
    path = f"{HISTORY}{','.join(names)}&from={START}&to={START + 40}"
    url = gateway.server.make_url(path)
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE tiers IN ACCESS EXCLUSIVE MODE")
        blocked = [asyncio.create_task(_ask(gateway, url)) for _ in range(fleet_queries.QUESTIONS_AT_ONCE + 4)]
        await until(lambda: _waiting(writer) == fleet_queries.PORTIONS_AT_ONCE)
        assert (await gateway.get("/api/events"))["events"] == []
        await until(lambda: sum(one.done() for one in blocked) == len(blocked) - fleet_queries.PORTIONS_AT_ONCE)
        for one in blocked:
            assert not one.done() or "what was asked before it" in one.result()["detail"]
    await asyncio.gather(*blocked)
    assert len((await gateway.get(path))["series"]) == len(names)


async def _ask(gateway: RunningGateway, url: str | URL) -> Any:
    async with gateway.session.get(url) as response:
        return await response.json(content_type=None)


async def test_for_whoever_breaks_off_nothing_more_is_read(
    gateway: RunningGateway,
    writer: HistoryWriter,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[SeriesRow] = []

    def tell(row: SeriesRow, count: int) -> str:
        told.append(row)
        return series_arrays(row, count)

    monkeypatch.setattr(fleet_history, "series_arrays", tell)
    await _fill(writer, ["web1", "web2"], [[1, 2, 3, 4]])
    path = f"{HISTORY}web1,web2&from={START}&to={START + 40}"
    # As the daemon serves: aiohttp's own server for tests would end what answers a client that is gone.
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}{path}"
    async with served(make_app(gateway.gateway), [sock], 1.0):
        with psycopg.connect(database_url) as blocker:
            blocker.execute("LOCK TABLE tiers IN ACCESS EXCLUSIVE MODE")
            asked = asyncio.create_task(_ask(gateway, url))
            await until(lambda: _waiting(writer) == 1)
            asked.cancel()
            await asyncio.wait([asked])
        free = gateway.gateway.fleet_history._questions
        await until(lambda: free._value == fleet_queries.QUESTIONS_AT_ONCE)
        assert told == []
        assert [one for one in caplog.records if one.levelno >= logging.ERROR or one.exc_info] == []
        await _ask(gateway, url)
    assert len(told) == 2


def _waiting(writer: HistoryWriter) -> int:
    row = writer.connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])
