"""/history on a real PostgreSQL."""

from __future__ import annotations

import math
import time
from urllib.parse import quote

import pytest

from sysmonstm.gatewayd import history, parameters
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from tests.gatewayd.fleet_publisher import CPU, DISK, LAYOUT, OTHER_LAYOUT, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway

START = 1_700_000_000  # a multiple of 5, 10, 100 and 1000
HISTORY = "/api/machines/web1/history"


async def test_a_bucket_holds_what_was_read_in_it_and_null_where_nothing_was(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine, layout = writer.machine("web1", interval=2.5), writer.layout(LAYOUT)
    for number in (0, 1, 3):
        writer.frame(machine, layout, START + 5 * number + 0.001, [number + 0.1, 1, 2, 3])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 25}")
    values = [0.1, 1.1, None, 3.1, None]
    # By the hub's clock, whatever the samples say.
    assert answer.pop("first_seen") == pytest.approx(time.time(), abs=60)
    assert answer == {
        "machine": "web1",
        "metric": "cpu.percent",
        "unit": "percent",
        "kind": "rate",
        "from": START,
        "to": START + 25,
        "step_seconds": 5.0,
        "tiers": [{"tier": "raw", "from": START, "to": START + 25}],
        "gaps": [],
        "times": [START, START + 5, START + 10, START + 15, START + 20],
        "series": [{"instance": "", "min": values, "mean": values, "max": values}],
    }


async def test_samples_on_either_side_of_an_edge_leave_no_bucket_empty(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    for number in range(1, 25):
        jitter = 0.01 if number % 2 else -0.01
        writer.frame(machine, layout, START + 5 * number + jitter, [number, 1, 2, 3])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 120}")
    assert answer["step_seconds"] == 10.0
    assert None not in answer["series"][0]["mean"]


async def test_denser_samples_become_min_mean_and_max_by_bucket_and_what_was_not_read_does_not_count(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    for number, value in enumerate([1, 2, 6, math.nan, math.nan, math.nan, math.nan, math.nan, 5, math.nan, 7, 7]):
        writer.frame(machine, layout, START + 5 * number, [value, 0, 0, 0])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 60}&points=3")
    assert answer["step_seconds"] == 20.0
    assert answer["times"] == [START, START + 20, START + 40]
    assert answer["series"] == [{"instance": "", "min": [1, None, 5], "mean": [3, None, 6.333333], "max": [6, None, 7]}]


async def test_a_series_keeps_its_name_while_its_place_changes_from_layout_to_layout(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine = writer.machine("web1", interval=2.5)
    before, after = writer.layout(LAYOUT), writer.layout(OTHER_LAYOUT)
    writer.frame(machine, before, START, [10, 1, 2, 40])
    writer.frame(machine, after, START + 5, [99, 41, 70, 20])
    cpu = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 10}")
    assert [one["mean"] for one in cpu["series"]] == [[10, 20]]
    disk = await gateway.get(f"{HISTORY}?metric=filesystem.percent&from={START}&to={START + 10}")
    assert {one["instance"]: one["mean"] for one in disk["series"]} == {"/": [40, 41], "/srv": [None, 70]}


async def test_a_metric_that_was_redeclared_is_one_series_with_the_newest_meaning(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine = writer.machine("web1", interval=2.5)
    redeclared = Metric("cpu.percent", Unit.PERCENT, Kind.GAUGE, "Other words")
    for number, metric in enumerate((CPU, redeclared)):
        writer.frame(machine, writer.layout(Layout((Series(metric),))), START + 5 * number, [number])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 10}")
    assert answer["kind"] == "gauge"
    assert [one["mean"] for one in answer["series"]] == [[0, 1]]


async def test_an_instance_filter_leaves_only_that_instance(gateway: RunningGateway, writer: HistoryWriter) -> None:
    machine, layout = writer.machine("web1"), writer.layout(OTHER_LAYOUT)
    writer.frame(machine, layout, START, [0, 1, 2, 3])
    path = f"{HISTORY}?metric=filesystem.percent&from={START}&to={START + 5}&instance="
    assert [one["instance"] for one in (await gateway.get(path + "/srv"))["series"]] == ["/srv"]
    assert (await gateway.get(path + "/no"))["series"] == []


async def test_of_many_instances_the_buckets_are_wider(
    gateway: RunningGateway, writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    writer.frame(machine, layout, START, [1, 2, 3, 4])
    writer.frame(machine, layout, START + 30, [1, 6, 7, 4])
    path = f"{HISTORY}?metric=cpu.core_percent&from={START}&to={START + 40}&points=4"
    # Two cores in four buckets of ten seconds are more; in two of twenty they are not.
    monkeypatch.setattr(history, "MOST_READINGS", 7)
    monkeypatch.setattr(history, "FEWEST_BUCKETS", 2)
    wide = await gateway.get(path)
    assert wide["step_seconds"] == 20
    assert [one["max"] for one in wide["series"]] == [[2, 6], [3, 7]]
    monkeypatch.setattr(history, "MOST_READINGS", 8)
    assert (await gateway.get(path))["step_seconds"] == 10


async def test_too_many_readings_are_refused_in_a_sentence_that_says_what_to_ask_for(
    gateway: RunningGateway, writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    writer.frame(machine, layout, START, [1, 2, 3, 4])
    path = f"{HISTORY}?metric=cpu.core_percent&from={START}&to={START + 40}"
    # Two cores in four buckets, though only one of these holds anything.
    monkeypatch.setattr(history, "MOST_READINGS", 7)
    monkeypatch.setattr(history, "FEWEST_BUCKETS", parameters.MAX_POINTS)
    problem = await gateway.get(path, 400)
    assert (problem["parameter"], "7 readings; ask for fewer points" in problem["detail"]) == ("points", True)
    assert len((await gateway.get(f"{path}&instance=1"))["series"]) == 1
    assert len((await gateway.get(f"{path}&points=3"))["series"]) == 2
    monkeypatch.setattr(history, "MOST_READINGS", 8)
    assert len((await gateway.get(path))["series"]) == 2
    monkeypatch.setattr(history, "MOST_READINGS", 3)
    assert (await gateway.get(f"{path}&instance=1", 400))["parameter"] == "points"


async def test_two_hosts_under_one_name_fall_into_the_same_buckets(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    writer.frame(machine, layout, START, [1, 0, 0, 0], stream=1)
    writer.frame(machine, layout, START, [3, 0, 0, 0], stream=2)
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 5}")
    assert answer["series"] == [{"instance": "", "min": [1], "mean": [2], "max": [3]}]


async def test_other_machines_and_times_outside_the_range_do_not_show(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine, other, layout = writer.machine("web1"), writer.machine("web2"), writer.layout(LAYOUT)
    for owner, moment, value in ((machine, -0.001, 1), (machine, 0, 2), (other, 1, 3), (machine, 5, 4)):
        writer.frame(owner, layout, START + moment, [value, 0, 0, 0])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 5}")
    assert answer["series"] == [{"instance": "", "min": [2], "mean": [2], "max": [2]}]


async def test_without_a_range_it_is_the_last_hour(gateway: RunningGateway, writer: HistoryWriter) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    writer.frame(machine, layout, time.time() - 1800, [1, 0, 0, 0])
    writer.frame(machine, layout, time.time() - 4000, [9, 0, 0, 0])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent")
    assert answer["to"] - answer["from"] == pytest.approx(3600)
    assert abs(answer["to"] - time.time()) < 60
    assert len(answer["times"]) <= 500
    assert [value for value in answer["series"][0]["max"] if value is not None] == [1]


async def test_a_known_metric_without_samples_in_the_range_has_times_and_no_series(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    writer.frame(writer.machine("web1", interval=2.5), writer.layout(LAYOUT), START, [1, 2, 3, 4])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START - 100}&to={START - 50}")
    assert (len(answer["times"]), answer["series"], answer["unit"]) == (10, [], "percent")


@pytest.mark.parametrize("metric", ["network.received", "no.such", "nonsense", "';--", "cpu.percent "])
async def test_a_metric_that_the_machine_does_not_have_is_a_problem_that_names_it(
    gateway: RunningGateway, writer: HistoryWriter, metric: str
) -> None:
    machine = writer.machine("web1")
    writer.frame(machine, writer.layout(LAYOUT), START, [1, 2, 3, 4])
    writer.frame(writer.machine("web2"), writer.layout(OTHER_LAYOUT), START, [1, 2, 3, 4])
    path = f"{HISTORY}?metric={quote(metric)}&from={START}&to={START + 5}"
    problem = await gateway.get(path, status=404)
    assert problem["parameter"] == "metric"


async def test_a_metric_that_only_older_frames_have_is_found_in_their_range(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    machine = writer.machine("web1")
    writer.frame(machine, writer.layout(Layout((Series(DISK, "/old"),))), START, [1])
    writer.frame(machine, writer.layout(Layout((Series(CPU),))), START + 500, [1])
    path = f"{HISTORY}?metric=filesystem.percent&from={START}"
    assert len((await gateway.get(f"{path}&to={START + 5}"))["series"]) == 1


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "metric"),
        ("metric=", "metric"),
        ("metric=%00", "metric"),
        ("metric=" + "x" * 5000, "metric"),
        ("metric=cpu.percent&points=0", "points"),
        ("metric=cpu.percent&points=-5", "points"),
        ("metric=cpu.percent&points=abc", "points"),
        ("metric=cpu.percent&points=", "points"),
        ("metric=cpu.percent&points=1e3", "points"),
        ("metric=cpu.percent&points=%D9%A3", "points"),  # a digit, but not one of ours
        ("metric=cpu.percent&from=200&to=100", "from"),
        ("metric=cpu.percent&from=100&to=100", "from"),
        ("metric=cpu.percent&from=NaN", "from"),
        ("metric=cpu.percent&to=nan", "to"),
        ("metric=cpu.percent&to=inf", "to"),
        ("metric=cpu.percent&from=1e400", "from"),
        ("metric=cpu.percent&from=-1", "from"),
        ("metric=cpu.percent&to=99999999999999999999", "to"),
        ("metric=cpu.percent&to=99999-01-01T00:00:00Z", "to"),
        ("metric=cpu.percent&to=9999-12-31T23:59:59Z", "to"),
        ("metric=cpu.percent&from=0001-01-01T00:00:00%2B23:59", "from"),
        ("metric=cpu.percent&from=yesterday", "from"),
        ("metric=cpu.percent&from=", "from"),
        ("metric=cpu.percent&instance=%00", "instance"),
        ("metric=cpu.percent&stream=", "stream"),
        ("metric=cpu.percent&stream=" + "0" * 31, "stream"),
        ("metric=cpu.percent&stream=" + "0" * 31 + "g", "stream"),
        ("metric=cpu.percent&instance=" + "x" * 600, "instance"),
    ],
)
async def test_nonsense_is_a_problem_that_names_the_parameter(
    gateway: RunningGateway, writer: HistoryWriter, query: str, parameter: str
) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START, [1, 2, 3, 4])
    problem = await gateway.get(f"{HISTORY}?{query}", status=400)
    assert (problem["status"], problem["parameter"]) == (400, parameter)
    assert problem["detail"]


async def test_too_many_points_are_capped_not_refused(gateway: RunningGateway, writer: HistoryWriter) -> None:
    writer.frame(writer.machine("web1", interval=0.1), writer.layout(LAYOUT), START, [1, 2, 3, 4])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 36000}&points={'9' * 50}")
    assert 4990 < len(answer["times"]) <= 5000
    assert answer["step_seconds"] == pytest.approx(7.2, rel=0.001)


@pytest.mark.parametrize(
    "moment",
    [
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "2023-11-14T23:13:20%2B01:00",
        "2023-11-14T23:13:20+01:00",  # the "+" arrives as a space
        "1700000000.0",
    ],
)
async def test_times_may_be_iso_8601(gateway: RunningGateway, writer: HistoryWriter, moment: str) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START, [1, 2, 3, 4])
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={moment}&to={START + 5}")
    assert answer["from"] == START
