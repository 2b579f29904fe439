"""/ready, and how the gateway lives without what it needs."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.ctl import servers
from sysmonstm.gatewayd import pool, readiness
from sysmonstm.gatewayd.queries import ServerFacts
from sysmonstm.gatewayd.readiness import DownError
from tests.gatewayd.fleet_publisher import LAYOUT, FleetPublisher, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway, serving, until


async def state_becomes(running: RunningGateway, name: str, state: str) -> dict[str, str]:
    """Wait until /ready shows a dependency in a state; what it shows of it."""
    found: dict[str, str] = {}
    deadline = time.monotonic() + 30
    while found.get("state") != state:
        assert time.monotonic() < deadline, found
        async with running.session.get(running.server.make_url("/ready")) as response:
            answer = await response.json()
            assert response.status == (200 if answer["ready"] else 503)
        found = answer["dependencies"][name]
    return found


async def test_with_everything_there_it_is_ready_and_says_which_database_it_is(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.publish()
    database = await state_becomes(gateway, "database", "up")
    assert "PostgreSQL" in database["detail"] or "TimescaleDB" in database["detail"]
    await state_becomes(gateway, "redis", "up")
    answer = await gateway.get("/ready")
    assert answer["ready"] is True
    assert {name: one["needed"] for name, one in answer["dependencies"].items()} == {
        "redis": True,
        "database": True,
        "aggregator": False,
        "alertd": False,
    }


async def test_an_aggregator_that_is_not_heard_is_down_but_not_needed(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    await state_becomes(gateway, "database", "up")
    gateway.gateway.hub.heard_at = time.monotonic() - 60
    assert "sysmon-aggregatord" in (await state_becomes(gateway, "aggregator", "down"))["detail"]
    assert (await gateway.get("/ready"))["ready"] is True
    publisher.publish()  # the heartbeat: nothing in it
    await state_becomes(gateway, "aggregator", "up")


async def test_a_database_without_the_schema_is_down_and_says_who_makes_it(
    redis_url: str, empty_database_url: str
) -> None:
    async with serving(redis_url, empty_database_url) as running:
        await until(lambda: "no schema" in str(running.gateway.readiness.describe()))
        assert (await running.get("/ready", 503))["ready"] is False
        for path in ("/api/events", "/api/alerts", "/api/machines/web1/history?metric=cpu.percent"):
            assert "sysmon-aggregatord" in (await running.get(path, 503))["detail"]


@pytest.mark.parametrize(
    ("facts", "detail"),
    [
        (ServerFacts("18.0", None, None, 2), "PostgreSQL 18.0 without TimescaleDB"),
        (ServerFacts("15.14 (Debian 15.14-1)", None, None, 3), "PostgreSQL 15.14 without TimescaleDB"),
        (ServerFacts("17.2", "2.19.3", "apache", 2), "TimescaleDB 2.19.3, Apache edition, on PostgreSQL 17.2"),
        (
            ServerFacts("17.2 (Debian 17.2-1)", "2.19.3", "timescale", 2),
            "TimescaleDB 2.19.3, Community edition, on PostgreSQL 17.2",
        ),
    ],
)
def test_the_edition_is_said(facts: ServerFacts, detail: str) -> None:
    assert readiness.describe(facts, 2) == detail


@pytest.mark.parametrize("schema", [None, 0, 1])
def test_an_older_schema_is_not_good_enough(schema: int | None) -> None:
    with pytest.raises(DownError):
        readiness.describe(ServerFacts("18.0", None, None, schema), 2)


async def test_a_question_that_takes_too_long_is_not_to_be_asked_again_soon(
    redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STATEMENT_SECONDS", 0.2)
    async with serving(redis_url, database_url) as gateway, await AsyncConnection.connect(database_url) as busy:
        await busy.execute("LOCK TABLE events")
        async with gateway.session.get(gateway.server.make_url("/api/events")) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
            assert "took longer than 0.2 s" in (await answer.json(content_type=None))["detail"]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server that hangs, with all its processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = [pid, *map(int, children)]
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            os.kill(one, signal.SIGCONT)


async def test_a_database_that_hangs_or_stops_keeps_nobody_waiting_and_is_found_again(
    server_directory: Path, publisher: FleetPublisher, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state = server_directory / "hanging"
    state.mkdir()
    state.chmod(0o755)
    history = "/api/machines/web1/history?metric=cpu.percent"
    publisher.show("web1", [1, 2, 3, 4])
    with ExitStack() as until_stopped:
        server = until_stopped.enter_context(servers.postgres(state))
        await _fill(server.url)
        async with serving(redis_url, server.url) as running:
            await running.knows("web1")
            await state_becomes(running, "database", "up")
            await running.get(history)

            with frozen(server.pid):
                assert (await running.get(history, 503))["detail"]
                await state_becomes(running, "database", "down")
                async with running.watch() as watcher:
                    assert (await watcher.next())["machines"][0]["machine"] == "web1"
                    publisher.sample("web1", [9, 9, 9, 9])
                    assert (await watcher.next_of("frames"))["frames"][0]["values"] == [9, 9, 9, 9]
                assert len((await running.get("/api/machines"))["machines"]) == 1
            await state_becomes(running, "database", "up")
            await running.get(history)

            until_stopped.close()
            await state_becomes(running, "database", "down")
            for path in ("/api/events", "/api/alerts", history):
                async with running.session.get(running.server.make_url(path)) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
                    assert "PostgreSQL" in (await answer.json(content_type=None))["detail"]
            assert len((await running.get("/api/machines"))["machines"]) == 1
            with servers.postgres(state):
                await state_becomes(running, "database", "up")
                await running.get(history)

    said = [one.__dict__["sysmon_event"] for one in caplog.records if _is_about_the_database(one)]
    assert said == ["dependency.away", "dependency.back"] * 2
    assert not [one for one in caplog.records if one.name.startswith("psycopg") and one.levelno > logging.INFO]


def _is_about_the_database(record: logging.LogRecord) -> bool:
    return bool(record.__dict__.get("sysmon_fields", {}).get("dependency") == "database")


async def _fill(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
    writer = HistoryWriter(url)
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), time.time(), [1, 2, 3, 4])
    writer.close()


async def test_history_goes_on_while_redis_is_away(server_directory: Path, database_url: str) -> None:
    writer = HistoryWriter(database_url)
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), time.time() - 60, [1, 2, 3, 4])
    writer.close()
    async with serving("unix:///nonexistent/redis.sock", database_url) as running:
        await running.get("/api/machines/web1/history?metric=cpu.percent")
        assert (await running.get("/api/machines"))["machines"] == []
        redis = await state_becomes(running, "redis", "down")
        assert redis["detail"]
        async with running.watch() as watcher:
            assert (await watcher.next())["live"] is False
