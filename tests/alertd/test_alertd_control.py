"""The control interface of a real alertd: what it says, what it does, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from pathlib import Path

import psycopg
import pytest

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.alertd.control import MOST_BODY_BYTES
from tests.alertd.alertd_process import RULES, Aggregator, Alertd, Receiver, Starter, now, rows, state_is, until

SLOW = RULES.replace("for = 0.2", "for = 600")


async def test_it_says_how_it_goes(redis_url: str, database_url: str, receiver: Receiver, start: Starter) -> None:
    alertd = await start(redis_url, database_url, receiver.url)
    await Aggregator(redis_url).until(95, state_is(database_url, "firing"))
    await until(lambda: now(receiver.taken))
    status, said = await alertd.ask("GET", "/status")
    assert status == 200
    assert (said["machines"], said["rules"], said["firing"], said["pending"]) == (1, 1, 1, 0)
    assert (said["redis"]["state"], said["database"]["state"]) == ("up", "up")
    assert said["changes"] == {"unwritten": 0, "merged": 0}
    assert said["notifications"]["webhook"] == "http://127.0.0.1"
    assert said["rules_file"].endswith("rules.toml")
    assert "verysecret" not in str(said)


async def test_it_answers_while_the_database_is_not_there_and_says_so(
    redis_url: str, empty_database_url: str, start: Starter
) -> None:
    alertd = await start(redis_url, empty_database_url)
    await alertd.said("database.waiting")
    _, said = await alertd.ask("GET", "/status")
    assert said["database"]["state"] == "away" and "notifications" in said["database"]["detail"]
    assert len((await alertd.ask("GET", "/rules"))[1]["rules"]) == 1
    assert (await alertd.ask("GET", "/alerts"))[1] == {"alerts": []}
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        await migrate(connection)
    await alertd.said("alertd.started")

    async def up() -> bool:
        return bool((await alertd.ask("GET", "/status"))[1]["database"]["state"] == "up")

    await until(up)


async def test_the_rules_have_every_key_and_say_where_they_are_from(
    redis_url: str, database_url: str, start: Starter
) -> None:
    own = '[rules.cpu-high]\nfor = "2m"\n[rules.low]\nmetric = "a.b"\ncomparison = "<"\nthreshold = 5\ninstance = "x*"'
    alertd = await start(redis_url, database_url, rules=own)
    _, said = await alertd.ask("GET", "/rules")
    rules = {rule["rule"]: rule for rule in said["rules"]}
    sources = {name: rule["source"] for name, rule in rules.items()}
    assert (sources["cpu-high"], sources["low"], sources["memory-high"]) == ("changed", "file", "default")
    assert (rules["cpu-high"]["for_seconds"], rules["cpu-high"]["threshold"]) == (120, 90)
    low = rules["low"]
    assert (low["comparison"], low["threshold"], low["clear"], low["instance"], low["machine"]) == (
        "<",
        5,
        5,
        "x*",
        "*",
    )
    silent = rules["machine-silent"]
    assert silent["silent"] and silent["metric"] is silent["threshold"] is None


async def test_what_is_pending_says_how_long_it_has_left(redis_url: str, database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, database_url, rules=SLOW)
    await Aggregator(redis_url).until(95, state_is(database_url, "pending"))
    _, said = await alertd.ask("GET", "/alerts")
    (alert,) = said["alerts"]
    assert (alert["rule"], alert["state"], alert["value"], alert["threshold"]) == ("hot", "pending", 95.0, 90.0)
    assert 540 < alert["hold_left_seconds"] <= 600
    assert abs(alert["since"] - time.time()) < 60
    (rule,) = (await alertd.ask("GET", "/rules"))[1]["rules"]
    assert (rule["firing"], rule["pending"]) == (0, 1)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (SLOW.encode(), None),
        (b'[rules.x]\nmetric = "a.b"\n', "rule x: threshold is missing"),
        (b"[rules", "not TOML"),
        (b"a=" + b"[" * 60_000, "nested too deeply"),
        (b"rules." + b".".join([b"a"] * 32_000) + b"=1", "a name of more than 16 parts"),
        (b"[rules.x]\nthreshold = " + b"9" * 60_000, "a word of more than 300 characters"),
        (b"\xff", None),
    ],
)
async def test_a_file_is_checked_and_not_applied(
    redis_url: str, database_url: str, start: Starter, body: bytes, fault: str | None
) -> None:
    alertd = await start(redis_url, database_url)
    status, said = await alertd.ask("POST", "/check", body)
    if body == b"\xff":
        assert (status, said["detail"]) == (422, "the rules are not UTF-8")
    elif fault:
        assert (status, said["good"], said["rules"]) == (200, False, None)
        assert fault in said["fault"] and "\n" not in said["fault"]
    else:
        assert said == {"good": True, "fault": None, "rules": 1}
    (rule,) = (await alertd.ask("GET", "/rules"))[1]["rules"]
    assert rule["for_seconds"] == 0.2


async def test_requests_are_bounded_and_refusals_are_problems(
    redis_url: str, database_url: str, start: Starter
) -> None:
    alertd = await start(redis_url, database_url)
    for method, what, body, expected in (
        ("POST", "/check", b"#" * (MOST_BODY_BYTES + 1), 413),
        ("GET", "/nothing", None, 404),
        ("DELETE", "/rules", None, 405),
        ("GET", "/reload", None, 405),
        ("POST", "/test", None, 409),
    ):
        status, problem = await alertd.ask(method, what, body)
        assert (status, problem["status"]) == (expected, expected)
        assert problem["detail"] and problem["type"] == "about:blank"
    assert "ALERTS_WEBHOOK_URL" in problem["detail"]


async def test_who_asks_for_work_is_logged_and_only_the_group_may(
    redis_url: str, database_url: str, start: Starter
) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.ask("POST", "/check", b"")
    asked = (await alertd.said("control.asked"))["fields"]
    assert (asked["path"], asked["pid"], asked["uid"]) == ("/check", os.getpid(), os.getuid())
    assert stat.S_IMODE(alertd.control.stat().st_mode) == 0o660


async def test_a_test_notification_goes_out_now_and_its_answer_comes_back(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    alertd = await start(redis_url, database_url, receiver.url)
    status, said = await alertd.ask("POST", "/test")
    assert (status, said["taken"], said["status"], said["error"]) == (200, True, 200, None)
    assert 0 <= said["seconds"] < 60 and said["webhook"] == "http://127.0.0.1"
    ((_, body, key),) = receiver.requests
    assert (body["state"], body["id"], body["version"], body["severity"]) == ("test", key, 1, "info")
    receiver.statuses = [503]
    _, said = await alertd.ask("POST", "/test")
    assert (said["taken"], said["status"], said["error"]) == (False, 503, "answered 503")
    assert "verysecret" not in alertd.log_file.read_text()
    # It is no alert: nothing is written down.
    assert await rows(database_url, "SELECT FROM notifications") == []


async def test_such_work_is_done_for_one_at_a_time(redis_url: str, database_url: str, start: Starter) -> None:
    reached, answer = asyncio.Event(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as webhook:
        port = webhook.sockets[0].getsockname()[1]
        alertd = await start(redis_url, database_url, f"http://127.0.0.1:{port}/")
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(alertd.ask("POST", "/test"))
            await reached.wait()
            for method, what in (("POST", "/test"), ("POST", "/check"), ("POST", "/reload")):
                status, problem = await alertd.ask(method, what, b"")
                assert (status, problem["status"]) == (429, 429)
            assert (await alertd.ask("GET", "/status"))[0] == 200
            answer.set()
        assert first.result()[0] == 200
        assert (await alertd.ask("POST", "/check", b""))[0] == 200


async def _rules_become(alertd: Alertd, rules: str) -> tuple[int, dict[str, object]]:
    await alertd.said("alertd.started")
    (alertd.control.parent / "rules.toml").write_text(rules)
    return await alertd.ask("POST", "/reload")


async def test_a_reload_takes_new_rules_and_keeps_what_fires(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter
) -> None:
    aggregator = Aggregator(redis_url)
    alertd = await start(redis_url, database_url, receiver.url)
    await aggregator.until(95, state_is(database_url, "firing"))
    await until(lambda: now(receiver.taken == ["firing"]))
    since = await rows(database_url, "SELECT since FROM alert_states")
    status, said = await _rules_become(alertd, RULES.replace('"critical"', '"info"') + "[rules.more]\nsilent = true\n")
    assert (status, said["taken"], said["rules"], said["changed"]) == (200, True, 2, ["rules"])
    assert (await alertd.ask("POST", "/reload"))[1]["changed"] == []
    for _ in range(10):
        aggregator.sample(95)
        await asyncio.sleep(0.05)
    assert await rows(database_url, "SELECT since FROM alert_states") == since
    assert (await alertd.ask("GET", "/alerts"))[1]["alerts"][0]["severity"] == "info"
    await aggregator.until(10, state_is(database_url, None))
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    assert len(alertd.log("alert.firing")) == 1


async def test_a_bad_file_is_refused_with_its_fault_and_the_old_rules_stay(
    redis_url: str, database_url: str, start: Starter
) -> None:
    alertd = await start(redis_url, database_url)
    status, problem = await _rules_become(alertd, '[rules.x]\nmetric = "a.b"\n')
    assert status == 422 and "rule x: threshold is missing" in str(problem["detail"])
    (rule,) = (await alertd.ask("GET", "/rules"))[1]["rules"]
    assert rule["rule"] == "hot"
    assert len(alertd.log("reload.refused")) == 1
    assert (await _rules_become(alertd, "defaults = false"))[0] == 200
    assert (await alertd.ask("GET", "/rules"))[1]["rules"] == []


async def test_a_signal_resolves_the_alerts_of_a_rule_that_is_gone(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter, tmp_path: Path
) -> None:
    alertd = await start(redis_url, database_url, receiver.url)
    await Aggregator(redis_url).until(95, state_is(database_url, "firing"))
    (tmp_path / "rules.toml").write_text("defaults = false")
    alertd.process.send_signal(signal.SIGHUP)
    await until(state_is(database_url, None))
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    assert "no longer watched" in receiver.requests[-1][1]["message"]


async def test_a_webhook_that_is_set_changed_and_taken_away_while_it_runs(
    redis_url: str, database_url: str, receiver: Receiver, start: Starter, tmp_path: Path
) -> None:
    aggregator = Aggregator(redis_url)
    alertd = await start(redis_url, database_url)
    await aggregator.until(95, state_is(database_url, "firing"))
    await aggregator.until(10, state_is(database_url, None))
    assert receiver.requests == [] and await rows(database_url, "SELECT FROM notifications") == []
    credential = tmp_path / "webhook_url"
    credential.write_text(receiver.url)
    assert (await alertd.ask("POST", "/reload"))[1]["changed"] == ["webhook_url"]
    await aggregator.until(95, lambda: now(receiver.taken == ["firing"]))
    # Nobody listens there: what is due now waits for an address that takes it.
    credential.write_text("http://127.0.0.1:9/verysecret")
    await alertd.ask("POST", "/reload")
    await aggregator.until(10, state_is(database_url, None))
    await alertd.said("webhook.failing")

    async def waiting() -> bool:
        said = (await alertd.ask("GET", "/status"))[1]["notifications"]
        return bool(said["waiting"] == 1 and "cannot be reached" in said["failing"])

    await until(waiting)
    credential.write_text(receiver.url)
    await alertd.ask("POST", "/reload")
    await until(lambda: now(receiver.taken == ["firing", "resolved"]))
    credential.unlink()
    await alertd.ask("POST", "/reload")
    assert (await alertd.ask("GET", "/status"))[1]["notifications"]["webhook"] is None
    assert (await alertd.ask("POST", "/test"))[0] == 409
    assert "verysecret" not in alertd.log_file.read_text()


def _descriptors(alertd: Alertd) -> int:
    return len(list(Path(f"/proc/{alertd.process.pid}/fd").iterdir()))


async def test_who_says_nothing_or_breaks_off_does_no_harm(redis_url: str, database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    await alertd.ask("GET", "/status")
    open_before = _descriptors(alertd)
    for words in (b"", b"GET", b"POST /check HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"\x16\x03nonsense\r\n\r\n"):
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(alertd.control))
                sock.sendall(words)
    assert (await alertd.ask("GET", "/status"))[0] == 200

    async def closed() -> bool:
        # Meanwhile it may have connected to Redis and to the database, twice each.
        return _descriptors(alertd) <= open_before + 4

    await until(closed)
