"""What the API says of the fleet, its alerts and its events."""

from __future__ import annotations

import math
import time

import pytest

from sysmonstm.gatewayd import parameters, queries
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, FleetPublisher, HistoryWriter, now_us
from tests.gatewayd.running_gateway import RunningGateway


async def test_machines_have_state_facts_and_times_in_order_of_their_names(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web2", [1, 2, 3, 4])
    publisher.show("web1", [1, 2, 3, 4], os="NixOS")
    publisher.publish(hellos=[publisher.hello("web3", interval=0.1)])
    await gateway.knows("web1", "web2")
    machines = (await gateway.get("/api/machines"))["machines"]
    assert [(one["machine"], one["state"]) for one in machines[:2]] == [("web1", "up"), ("web2", "up")]
    first = machines[0]
    assert first["facts"] == {"os": "NixOS"}
    assert first["interval_seconds"] == 5.0
    assert first["agent_version"] == "0.1.0"
    assert abs(first["time"] - time.time()) < 60
    assert first["received"] == first["time"]
    assert "values" not in first


async def test_machines_have_the_tags_that_they_were_given(gateway: RunningGateway, publisher: FleetPublisher) -> None:
    tagged = publisher.hello("web1")
    tagged.tags.extend(["web", "rack:4"])
    publisher.publish([publisher.frame("web1", [1, 2, 3, 4])], [tagged], [LAYOUT])
    publisher.show("web2", [1, 2, 3, 4])
    await gateway.knows("web1", "web2")
    machines = (await gateway.get("/api/machines"))["machines"]
    assert [one["tags"] for one in machines] == [["web", "rack:4"], []]


async def test_a_machine_without_a_sample_waits_and_one_without_a_recent_one_is_silent(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.publish(hellos=[publisher.hello("new", interval=0.1)])
    hello = publisher.hello("old")
    publisher.publish([publisher.frame("old", [1, 2, 3, 4], received_us=now_us() - 20_000_000)], [hello], [LAYOUT])
    await gateway.knows("old")
    new, old = (await gateway.get("/api/machines?metrics=cpu.percent"))["machines"]
    assert (new["state"], new["time"], new["received"], new["values"]) == ("waiting", None, None, {})
    assert new["interval_seconds"] == 0.1
    assert old["state"] == "silent"


async def test_machines_show_the_values_that_are_asked_for_and_null_for_what_was_not_read(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [12.3, math.nan, 3, 40.1])
    await gateway.knows("web1")
    answer = await gateway.get("/api/machines?metrics=cpu.percent,cpu.core_percent,filesystem.percent,no.such")
    assert answer["machines"][0]["values"] == {
        "cpu.percent": {"": 12.3},
        "cpu.core_percent": {"0": None, "1": 3.0},
        "filesystem.percent": {"/": 40.1},
    }


async def test_a_machines_metrics_come_with_their_meaning_and_newest_values(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [12.3, 1, math.nan, 40.1])
    await gateway.knows("web1")
    answer = await gateway.get("/api/machines/web1/metrics")
    assert (answer["machine"], answer["state"]) == ("web1", "up")
    assert answer["metrics"][1] == {
        "metric": "cpu.core_percent",
        "unit": "percent",
        "kind": "rate",
        "help": "Time not idle, per core",
        "instance_label": "core",
        "values": [{"instance": "0", "value": 1.0}, {"instance": "1", "value": None}],
    }


async def test_a_name_with_tags_and_without_is_one_metric_with_all_its_values(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    plain = Metric("app.jobs", Unit.COUNT, Kind.GAUGE, "Told by a local program")
    tagged = Metric("app.jobs", Unit.COUNT, Kind.GAUGE, "Told by a local program", "tags")
    layout = Layout((Series(plain), Series(tagged, "queue=mail")))
    publisher.show("web1", [1, 2], layout)
    await gateway.knows("web1")
    (metric,) = (await gateway.get("/api/machines/web1/metrics"))["metrics"]
    assert metric["instance_label"] == "tags"
    assert metric["values"] == [{"instance": "", "value": 1.0}, {"instance": "queue=mail", "value": 2.0}]


@pytest.mark.parametrize("name", ["nobody", "%00", "a b", "..%2f..%2fetc", "x" * 200])
async def test_a_machine_that_is_not_there_is_a_problem_that_names_the_parameter(
    gateway: RunningGateway, name: str
) -> None:
    for path in ("metrics", "history?metric=cpu.percent"):
        problem = await gateway.get(f"/api/machines/{name}/{path}", status=404)
        assert (problem["status"], problem["parameter"]) == (404, "machine")


async def test_the_catalogue_has_each_metric_of_the_fleet_once(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    publisher.show("web2", [1, 2, 3, 4], OTHER_LAYOUT)
    await gateway.knows("web1", "web2")
    metrics = (await gateway.get("/api/metrics"))["metrics"]
    names = [one["metric"] for one in metrics]
    assert names == ["cpu.core_percent", "cpu.percent", "filesystem.percent", "network.received"]
    assert metrics[3]["instance_label"] == "interface"


async def test_alerts_that_fire_come_first_and_silence_has_no_threshold(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    writer.alert("hot", "web1", "pending", since=1000.5)
    writer.alert("silent", "web2", "firing", since=900.0, threshold=None)
    alerts = (await gateway.get("/api/alerts"))["alerts"]
    assert [one["rule"] for one in alerts] == ["silent", "hot"]
    assert alerts[0]["threshold"] is None
    assert alerts[1] == {
        "rule": "hot",
        "severity": "warning",
        "state": "pending",
        "machine": "web1",
        "metric": "cpu.percent",
        "instance": "",
        "value": 97.5,
        "threshold": 90.0,
        "since": 1000.5,
        "message": "too much",
    }


async def test_events_come_newest_first_in_pages_and_by_machine_and_kind(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    ids = [writer.event("machine.new", f"web{number % 2}", f"number {number}", n=number) for number in range(6)]
    fleet = writer.event("alert.firing", None, "all of them")
    newest = (await gateway.get("/api/events?limit=2"))["events"]
    assert [one["id"] for one in newest] == [fleet, ids[5]]
    assert (newest[0]["machine"], newest[1]["machine"], newest[1]["fields"]) == (None, "web1", {"n": 5})
    assert abs(newest[0]["time"] - time.time()) < 60
    page = (await gateway.get(f"/api/events?limit=2&before={ids[5]}"))["events"]
    assert [one["id"] for one in page] == [ids[4], ids[3]]
    of_one = (await gateway.get("/api/events?machine=web0&kind=machine.new"))["events"]
    assert [one["id"] for one in of_one] == [ids[4], ids[2], ids[0]]


async def test_a_family_is_all_of_its_kinds_and_no_other(gateway: RunningGateway, writer: HistoryWriter) -> None:
    firing = writer.event("alert.firing", "web1", "too much", time=100)
    writer.event("alerts.none", "web1", "another family", time=100)
    resolved = writer.event("alert.resolved", "web1", "enough", time=200)
    elsewhere = writer.event("alert.firing", "web2", "too much", time=300)

    async def ids(query: str) -> list[int]:
        return [one["id"] for one in (await gateway.get(f"/api/events?{query}"))["events"]]

    assert await ids("kind=alert") == [elsewhere, resolved, firing]
    assert await ids(f"kind=alert&before={elsewhere}&limit=1") == [resolved]
    assert await ids("kind=alert&machine=web1") == [resolved, firing]
    assert await ids("kind=alert&from=200") == [elsewhere, resolved]
    assert await ids("kind=alert.firing") == [elsewhere, firing]
    for none in ("", "aler", "alert.", "alert.f", "alert.%25", "."):
        assert await ids(f"kind={none}") == []


@pytest.mark.parametrize("share", [1000, 2])
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"kind": "alert"}, "events_by_family "),
        ({"kind": "alert.firing"}, "events_by_family "),
        ({"kind": "alert", "from": "40000"}, "events_by_family_and_time "),
        ({"kind": "alert", "to": "20000"}, "events_by_family_and_time "),
        ({"kind": "alert", "from": "0", "to": "20000", "before": "20000"}, "events_by_family_and_time "),
    ],
)
async def test_kinds_are_not_looked_for_among_all_events_be_they_rare_or_not(
    gateway: RunningGateway, writer: HistoryWriter, query: dict[str, str], index: str, share: int
) -> None:
    writer.connection.execute(
        "INSERT INTO events (kind, severity, message, time)"
        " SELECT CASE WHEN n %% %s = 0 THEN 'alert.firing' ELSE 'unit.started' END, 'info', 'something',"
        " to_timestamp(n) FROM generate_series(1, 50000) AS n",
        (share,),
    )
    writer.connection.execute("ANALYZE events")
    question, arguments = queries._events(parameters.events_request(query))
    async with gateway.gateway.database.connection() as connection:
        plan = await (await connection.execute(f"EXPLAIN {question}".encode(), arguments)).fetchall()
    # Half of all events may as well be found by any index in their order; none may be sorted.
    assert share == 2 or any(f"{index}on" in line for (line,) in plan), plan
    assert not any("Sort" in line or "Seq Scan" in line for (line,) in plan), plan


async def test_every_event_is_on_some_page_however_many_are_of_one_moment(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    moment = 1_764_480_000.123457
    ids = [writer.event("alert.firing", "web1", "at once", time=moment) for _ in range(7)]
    earlier = writer.event("alert.firing", "web1", "before", time=moment - 0.000001)
    writer.event("alert.firing", "web1", "too early", time=moment - 10)
    path = f"/api/events?kind=alert&limit=3&from={moment - 5:.6f}"
    found, page = [], (await gateway.get(f"{path}&to={moment + 5:.6f}"))["events"]
    while page:
        found += page
        page = (await gateway.get(f"{path}&to={page[-1]['time']}&before={page[-1]['id']}"))["events"]
    assert [one["id"] for one in found] == [*reversed(ids), earlier]


async def test_events_of_a_range_come_by_their_times_however_late_they_were_stored(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    at_200 = writer.event("machine.new", "web1", "second", time=200)
    writer.event("machine.new", "web2", "another's", time=200)
    at_300 = writer.event("unit.failed", "web1", "third", time=300)
    late = writer.event("unit.failed", "web1", "told last", time=100)

    async def ids(query: str) -> list[int]:
        return [one["id"] for one in (await gateway.get(f"/api/events?machine=web1{query}"))["events"]]

    assert await ids("&from=100&to=300.000001") == [at_300, at_200, late]
    assert await ids("&from=100&to=300") == [at_200, late]
    assert await ids("&from=100.5") == [at_300, at_200]
    assert await ids("&to=1970-01-01T00:03:20Z") == [late]
    assert await ids("&from=0&kind=unit.failed") == [at_300, late]
    assert await ids("&from=0&limit=1") == [at_300]
    assert await ids("") == [late, at_300, at_200]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=1.5", "limit"),
        ("before=0", "before"),
        ("before=x", "before"),
        ("from=yesterday", "from"),
        ("to=-1", "to"),
        ("from=20&to=20", "from"),
        ("from=20&before=7", "before"),
        ("from=20&to=30&before=x", "before"),
        ("machine=%00", "machine"),
        ("kind=%0a", "kind"),
    ],
)
async def test_nonsense_about_events_is_a_problem_that_names_the_parameter(
    gateway: RunningGateway, query: str, parameter: str
) -> None:
    problem = await gateway.get(f"/api/events?{query}", status=400)
    assert (problem["title"], problem["parameter"]) == ("Bad Request", parameter)


async def test_huge_numbers_are_capped_and_hostile_words_are_only_words(
    gateway: RunningGateway, writer: HistoryWriter
) -> None:
    writer.event("machine.new", "web1", "here")
    assert len((await gateway.get(f"/api/events?limit={'9' * 90}&before={'9' * 90}"))["events"]) == 1
    assert (await gateway.get("/api/events?machine='%3B DROP TABLE events%3B--"))["events"] == []
    assert len((await gateway.get("/api/events"))["events"]) == 1


async def test_a_metrics_list_with_nonsense_is_a_problem(gateway: RunningGateway) -> None:
    names = ",".join(f"a.b{number}" for number in range(parameters.MAX_METRICS))
    assert (await gateway.get(f"/api/machines?metrics={names},a.b1"))["machines"] == []
    problem = await gateway.get(f"/api/machines?metrics={names},a.c", status=400)
    assert (problem["parameter"], "more than 64 metrics" in problem["detail"]) == ("metrics", True)
    problem = await gateway.get("/api/machines?metrics=cpu.percent,<script>", status=400)
    assert problem["parameter"] == "metrics"


async def test_health_is_liveness_only(gateway: RunningGateway) -> None:
    assert await gateway.get("/health") == {"status": "ok"}
