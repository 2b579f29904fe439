"""/history where it is kept by the sample, by the minute and by the hour; what is lost, and what was refused."""

from __future__ import annotations

import math

import pytest

from tests.gatewayd.fleet_publisher import LAYOUT, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway
from tests.people.kept_history import START, Question, counted, tier_at, write

HISTORY = "/api/machines/web1/history"
HOUR = 3600


@pytest.mark.parametrize(
    ("first", "last", "points", "step", "tiers"),
    [
        (5, 6, 5000, 40, ["raw"]),
        (3, 7, 5000, 60, ["minute"]),
        (0, 8, 5000, 3600, ["hour", "minute", "raw"]),
        (0, 8, 4, 7200, ["hour", "minute", "raw"]),
        (4, 8, 100, 180, ["minute", "raw"]),
        (1, 2, 1, 3600, ["hour"]),
    ],
)
async def test_the_tier_is_the_one_that_fits_and_the_answer_says_which(
    gateway: RunningGateway, database_url: str, first: int, last: int, points: int, step: int, tiers: list[str]
) -> None:
    kept = write(database_url, 3)
    start, end = START + first * HOUR, START + last * HOUR
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={start}&to={end}&points={points}")
    assert answer["step_seconds"] == step
    assert [one["tier"] for one in answer["tiers"]] == tiers
    edges = [one["from"] for one in answer["tiers"]] + [end]
    assert [one["to"] for one in answer["tiers"]] == edges[1:]
    assert [tier_at(edge, step) for edge in edges[:-1]] == tiers
    expected = counted(kept, Question("cpu.percent", start, end, step, None, None))
    (series,) = answer["series"]
    for at, moment in enumerate(answer["times"]):
        low, mean, high, _ = expected.get((moment, ""), (math.nan,) * 4)
        found = [series[name][at] for name in ("min", "mean", "max")]
        known = [None if math.isnan(one) else pytest.approx(one, rel=1e-5) for one in (low, mean, high)]
        assert found == known, moment


async def test_a_stream_can_be_looked_at_alone(gateway: RunningGateway, writer: HistoryWriter) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    names = []
    for value in (1, 3):
        stream, name = writer.stream(machine)
        writer.frame(machine, layout, START, [value, 0, 0, 0], stream)
        writer.gap(machine, stream, 1, value, "shed", START, START + 1)
        names.append(name.hex().upper())
    path = f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 10}"
    for text, value in zip(names, (1, 3), strict=True):
        answer = await gateway.get(f"{path}&stream={text}")
        assert [one["mean"] for one in answer["series"]] == [[value]]
        assert [one["frames"] for one in answer["gaps"]] == [value]
    assert (await gateway.get(f"{path}&stream={'0' * 32}"))["series"] == []
    assert [one["mean"] for one in (await gateway.get(path))["series"]] == [[2]]


async def test_what_is_lost_within_the_range_is_said(gateway: RunningGateway, writer: HistoryWriter) -> None:
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    other = writer.machine("web2")
    (stream, _), (others, _) = writer.stream(machine), writer.stream(other)
    writer.frame(machine, layout, START, [1, 0, 0, 0], stream)
    for seq, start, end, reason in (
        (1, -20, -10, "shed"),
        (11, -5, 5, "shed"),
        (21, None, 10, "damaged"),
        (31, 20, None, "unknown"),
        (41, 90, 110, "shed"),
        (51, 100, 120, "shed"),
        (61, None, None, "shed"),  # when is not known; it was noted today
    ):
        times = (None if start is None else START + start, None if end is None else START + end)
        writer.gap(machine, stream, seq, seq + 9, reason, *times)
        writer.gap(other, others, seq, seq, reason, *times)
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START}&to={START + 100}")
    assert answer["gaps"] == [
        {"from": START - 5, "to": START + 5, "frames": 10, "reason": "shed"},
        {"from": None, "to": START + 10, "frames": 10, "reason": "damaged"},
        {"from": START + 20, "to": None, "frames": 10, "reason": "unknown"},
        {"from": START + 90, "to": START + 110, "frames": 10, "reason": "shed"},
    ]


async def test_a_metric_of_a_machine_that_has_been_silent_for_long_is_still_known(
    gateway: RunningGateway, database_url: str, writer: HistoryWriter
) -> None:
    write(database_url, 3)
    writer.connection.execute("DELETE FROM frames")
    writer.connection.execute("DELETE FROM minutes")
    answer = await gateway.get(f"{HISTORY}?metric=cpu.percent&from={START - 99}&to={START - 9}")
    assert (answer["series"], answer["unit"]) == ([], "percent")


async def test_what_was_refused_is_shown_newest_first(gateway: RunningGateway, writer: HistoryWriter) -> None:
    machine, other = writer.machine("web1"), writer.machine("web2")
    (stream, name), (others, _) = writer.stream(machine), writer.stream(other)
    absurd_us = 2**63 - 1
    writer.reject(machine, stream, 1, "its time is more than a day ahead", absurd_us)
    writer.reject(other, others, 2, "no", 5_000_000)
    writer.reject(machine, stream, 3, "3 values for 2 series", 5_500_000)
    everything = (await gateway.get("/api/rejects"))["rejects"]
    assert [one["seq"] for one in everything] == [3, 2, 1]
    assert [one["seq"] for one in (await gateway.get("/api/rejects?limit=1"))["rejects"]] == [3]
    assert (await gateway.get("/api/rejects?machine=web3"))["rejects"] == []
    newest, oldest = (await gateway.get("/api/rejects?machine=web1"))["rejects"]
    received = newest.pop("received")
    assert received > START
    assert newest == {
        "machine": "web1",
        "stream": name.hex(),
        "seq": 3,
        "reason": "3 values for 2 series",
        "time": 5.5,
        "values": 2,
    }
    assert oldest["time"] == absurd_us / 1e6
