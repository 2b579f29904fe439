"""The whole daemon, as a process, on a real Redis, a real PostgreSQL and a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from sysmonstm import bus
from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.ctl import servers
from tests.alertd.alertd_process import RULES, Aggregator, Receiver, Starter, now, number, rows, state_is, until


async def test_a_transition_is_a_row_an_event_a_log_line_and_a_post(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    aggregator = Aggregator(redis_url)
    alertd = await start(redis_url, database_url, receiver.url)
    await alertd.said("alertd.started")
    with aggregator.redis.pubsub() as subscription:  # type: ignore[no-untyped-call] # redis-py has no types there
        subscription.subscribe(bus.EVENTS)
        await aggregator.until(95.5, state_is(database_url, "firing"))
        await until(lambda: now(receiver.taken == ["firing"]))
        await aggregator.until(12.25, state_is(database_url, None))
        await until(lambda: now(receiver.taken == ["firing", "resolved"]))
        published = [message for _ in range(9) if (message := subscription.get_message(timeout=0.2))]

    transitions = await rows(
        database_url, "SELECT id::text, state, rule, machine, value, message FROM alert_transitions ORDER BY time"
    )
    assert [row[1:5] for row in transitions] == [("firing", "hot", "web1", 95.5), ("resolved", "hot", "web1", 12.25)]
    events = await rows(
        database_url,
        "SELECT id, extract(epoch FROM time)::float8, kind, severity, machine, message, fields FROM events ORDER BY id",
    )
    assert [event[2:5] for event in events] == [
        ("alert.firing", "critical", "web1"),
        ("alert.resolved", "info", "web1"),
    ]
    names = ("id", "time", "kind", "severity", "machine", "message", "fields")
    sent = [json.loads(message["data"]) for message in published if message["type"] == "message"]
    assert sent == [dict(zip(names, event, strict=True)) for event in events]
    (_, body, key), _ = receiver.requests
    assert key == body["id"] == transitions[0][0]
    assert body["message"] == "web1: cpu.percent is 95.5%, above 90% for 0.2 s"
    assert {
        name: body[name] for name in ("version", "rule", "severity", "metric", "instance", "value", "threshold")
    } == {
        "version": 1,
        "rule": "hot",
        "severity": "critical",
        "metric": "cpu.percent",
        "instance": "",
        "value": 95.5,
        "threshold": 90.0,
    }
    assert abs(body["since"] - time.time()) < 60
    assert (await alertd.said("alert.firing"))["fields"]["machine"] == "web1"
    assert "verysecret" not in alertd.log_file.read_text()


async def test_a_restart_neither_forgets_nor_repeats(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    aggregator = Aggregator(redis_url)
    first = await start(redis_url, database_url, receiver.url)
    await aggregator.until(95, state_is(database_url, "firing"))
    await until(lambda: now(receiver.taken == ["firing"]))
    await first.stop(signal.SIGKILL)
    second = await start(redis_url, database_url, receiver.url)
    await second.said("alertd.started")
    for _ in range(20):
        aggregator.sample(95)
        await asyncio.sleep(0.05)
    await aggregator.until(10, state_is(database_url, None))
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    assert second.log("alert.firing") == []
    assert len(await rows(database_url, "SELECT FROM alert_transitions")) == 2


async def test_values_that_were_not_read_leave_a_firing_alert_alone(
    redis_url: str, database_url: str, start: Starter
) -> None:
    aggregator = Aggregator(redis_url)
    alertd = await start(redis_url, database_url)
    await aggregator.until(95, state_is(database_url, "firing"))
    for _ in range(10):
        aggregator.sample(math.nan)
    aggregator.sample(10, machine="web2")
    await aggregator.until(95, lambda: now(alertd.log("alert.firing")[1:]), machine="web2")
    assert alertd.log("alert.resolved") == []
    # Without a webhook there is no outbox to fill.
    assert await rows(database_url, "SELECT FROM notifications") == []


async def test_a_post_is_retried_until_it_is_taken_and_in_order(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    receiver.statuses = [404, 302]
    aggregator = Aggregator(redis_url)
    alertd = await start(redis_url, database_url, receiver.url)
    await aggregator.until(95, state_is(database_url, "firing"))
    await aggregator.until(10, state_is(database_url, None))
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    assert [(status, body["state"]) for status, body, _ in receiver.requests] == [
        (404, "firing"),
        (302, "firing"),
        (200, "firing"),
        (200, "resolved"),
    ]
    assert len({key for _, _, key in receiver.requests}) == 2
    await alertd.said("webhook.back")
    assert len(alertd.log("webhook.failing")) == 1
    assert alertd.log("webhook.given_up") == []
    assert "verysecret" not in alertd.log_file.read_text()
    attempts = "SELECT attempts FROM notifications WHERE delivered_at IS NOT NULL ORDER BY id"
    assert await rows(database_url, attempts) == [(3,), (1,)]


async def test_a_post_that_is_an_hour_old_is_given_up(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    # As an alertd leaves it that dies while the webhook is away.
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "INSERT INTO alert_transitions VALUES"
            " ('6a0cf5a4-6f2e-4a57-9d1c-5b0f1f1d7c12', now(), 'firing', 'r', 'm', '', 'a.b', 'info', 1, 2, now(), 's')"
        )
        await connection.execute(
            'INSERT INTO notifications (transition, payload, created, last_error) SELECT id, \'{"rule": "r"}\','
            " now() - interval '3601 seconds', 'answered 503' FROM alert_transitions"
        )
    alertd = await start(redis_url, database_url, receiver.url)
    line = await alertd.said("webhook.given_up")
    assert "answered 503, for an hour" in line["message"]
    assert receiver.requests == []


async def test_two_alertds_say_everything_once(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    aggregator = Aggregator(redis_url)
    both = [await start(redis_url, database_url, receiver.url) for _ in range(2)]
    for alertd in both:
        await alertd.said("alertd.started")
    await aggregator.until(95, lambda: now(all(alertd.log("alert.firing") for alertd in both)))
    await aggregator.until(10, lambda: now(all(alertd.log("alert.resolved") for alertd in both)))
    await until(lambda: now(len(receiver.taken) >= 2))
    for alertd in both:
        await alertd.stop()
    assert receiver.taken == ["firing", "resolved"]
    assert len(await rows(database_url, "SELECT FROM events")) == 2


async def test_it_waits_for_the_schema(redis_url: str, empty_database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, empty_database_url)
    await alertd.said("database.waiting")
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        await migrate(connection)
    await Aggregator(redis_url).until(95, number(empty_database_url, "alert_transitions", 1))
    assert len(alertd.log("database.waiting")) == 1


async def test_transitions_wait_while_the_database_is_away(
    redis_url: str, server_directory: Path, receiver: Receiver, start: Starter
) -> None:
    own = server_directory / "own-database"
    own.mkdir(mode=0o755)
    aggregator = Aggregator(redis_url)
    with servers.postgres(own) as server:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            await migrate(connection)
        alertd = await start(redis_url, server.url, receiver.url)
        await alertd.said("alertd.started")
    await aggregator.until(95, lambda: now(alertd.log("alert.firing")))
    await aggregator.until(10, lambda: now(alertd.log("alert.resolved")))
    await aggregator.until(95, lambda: now(alertd.log("alert.firing")[1:]))
    await alertd.said("database.away")
    with servers.postgres(own) as server:
        await until(number(server.url, "alert_transitions", 3))
        await until(lambda: now(receiver.taken == ["firing", "resolved", "firing"]))
        await alertd.said("database.back")
        states = await rows(server.url, "SELECT state FROM alert_transitions ORDER BY time")
        await alertd.stop()
    assert states == [("firing",), ("resolved",), ("firing",)]
    assert len(alertd.log("database.away")) == 1


@asynccontextmanager
async def stopped(processes: list[psutil.Process]) -> AsyncIterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


async def test_a_database_that_hangs_holds_up_neither_the_evaluation_nor_the_end(
    redis_url: str, server_directory: Path, receiver: Receiver, start: Starter
) -> None:
    own = server_directory / "hung-database"
    own.mkdir(mode=0o755)
    aggregator = Aggregator(redis_url)
    with servers.postgres(own) as server:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            await migrate(connection)
        alertd = await start(redis_url, server.url, receiver.url)
        await alertd.said("alertd.started")
        await asyncio.sleep(1.5)
        parent = psutil.Process(server.pid)
        async with stopped([parent, *parent.children(recursive=True)]):
            await aggregator.until(95, lambda: now(alertd.log("alert.firing")))
            await aggregator.until(10, lambda: now(alertd.log("alert.resolved")))
            alertd.process.terminate()
            # systemd and `sysmonctl up` wait longer; psycopg alone would take ten seconds and more.
            await asyncio.wait_for(alertd.process.wait(), 5)
    assert alertd.process.returncode == 0


async def test_it_outlives_a_redis_that_goes_and_comes_back_empty(
    server_directory: Path, database_url: str, start: Starter
) -> None:
    own = server_directory / "own-redis"
    own.mkdir(mode=0o755)
    with servers.redis(own) as server:
        alertd = await start(server.url, database_url)
        await Aggregator(server.url).until(95, state_is(database_url, "firing"))
    await alertd.said("redis.away")
    with servers.redis(own) as server:
        await until(lambda: now("is empty" in alertd.log_file.read_text()))
        assert alertd.log("redis.back") == alertd.log("alert.resolved") == []
        await Aggregator(server.url).until(10, state_is(database_url, None))
        await alertd.said("redis.back")
        await alertd.stop()


async def test_alerts_of_a_rule_that_is_gone_resolve_at_the_start(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    first = await start(redis_url, database_url, receiver.url)
    await Aggregator(redis_url).until(95, state_is(database_url, "firing"))
    await until(lambda: now(receiver.taken == ["firing"]))
    # The answer is settled right after it has come.
    delivered = "notifications WHERE delivered_at IS NOT NULL"
    await until(number(database_url, delivered, 1))
    await first.stop()
    await start(redis_url, database_url, receiver.url, rules="defaults = false")
    await until(state_is(database_url, None))
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    assert "no longer watched" in receiver.requests[-1][1]["message"]


async def test_pending_alerts_are_rows_too(redis_url: str, database_url: str, start: Starter) -> None:
    aggregator = Aggregator(redis_url)
    slow = RULES.replace("0.2", "600")
    first = await start(redis_url, database_url, rules=slow)
    await aggregator.until(95, state_is(database_url, "pending"))
    await first.stop()
    since = await rows(database_url, "SELECT since FROM alert_states")
    second = await start(redis_url, database_url, rules=slow)
    await second.said("alertd.started")
    for _ in range(10):
        aggregator.sample(95)
        await asyncio.sleep(0.1)
    assert await rows(database_url, "SELECT since FROM alert_states") == since
    await aggregator.until(10, state_is(database_url, None))
    assert second.log("alert.started") == [] and len(second.log("alert.dropped")) == 1
    assert await rows(database_url, "SELECT FROM alert_transitions") == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ALERTS_RULES_FILE": "/nowhere/rules.toml"}, "/nowhere/rules.toml cannot be read"),
        ({"TIMESCALE_URL": "nonsense :"}, "TIMESCALE_URL: this is no address"),
    ],
)
async def test_bad_settings_end_it_with_one_line(environment: Mapping[str, str], words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sysmonstm.alertd", stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert words in errors.decode() and errors.count(b"\n") == 1
