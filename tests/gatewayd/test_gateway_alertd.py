"""What the gateway asks sysmon-alertd, and how it does without."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from sysmonstm.gatewayd import alerts
from sysmonstm.gatewayd.alerts import AlertdAwayError, AlertdClient
from sysmonstm.gatewayd.readiness import lacking, unevaluated
from tests.alertd.alertd_process import RULES, Alertd, Starter
from tests.gatewayd.running_gateway import RunningGateway, Watcher, serving
from tests.gatewayd.test_gateway_openapi import fault
from tests.gatewayd.test_gateway_readiness import state_becomes
from tests.gatewayd.wall import Wall


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for alertd in starter.started:
        await alertd.stop()


async def test_the_rules_are_those_that_alertd_goes_by(redis_url: str, database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    async with serving(redis_url, database_url, alertd=f"unix:{alertd.control}") as running:
        answer = await running.get("/api/rules")
        assert [rule["rule"] for rule in answer["rules"]] == ["hot"]
        for rule in answer["rules"]:
            assert fault(rule, {"$ref": "#/components/schemas/Rule"}) is None
        await state_becomes(running, "alertd", "up")


@asynccontextmanager
async def watched(
    redis_url: str, database_url: str, start: Starter
) -> AsyncIterator[tuple[Alertd, RunningGateway, Watcher]]:
    """An alertd, a gateway that has heard of it, and a browser that has its snapshot."""
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    async with serving(redis_url, database_url, alertd=f"unix:{alertd.control}") as running:
        await state_becomes(running, "alertd", "up")
        async with running.watch() as watcher:
            await watcher.next_of("snapshot")
            yield alertd, running, watcher


async def test_browsers_are_told_that_the_rules_are_others_and_only_then(
    redis_url: str, database_url: str, start: Starter
) -> None:
    async with watched(redis_url, database_url, start) as (alertd, running, watcher):
        before = running.gateway.hub._rules_since
        alertd.process.send_signal(signal.SIGHUP)
        await alertd.said("rules.loaded")
        # What it says of itself has been asked for again since.
        async with AlertdClient(f"unix:{alertd.control}") as client:
            assert (await client.status())["rules_since"] == before
        (alertd.control.parent / "rules.toml").write_text(RULES.replace("[rules.hot]", "[rules.hotter]"))
        alertd.process.send_signal(signal.SIGHUP)
        told = await watcher.next_of("rules")
        assert before is not None and told["since"] > before
        assert "hotter" in [rule["rule"] for rule in (await running.get("/api/rules"))["rules"]]


async def test_browsers_are_told_that_alerts_are_evaluated_no_more_and_that_they_are_again(
    redis_url: str, database_url: str, start: Starter
) -> None:
    async with watched(redis_url, database_url, start) as (alertd, running, watcher):
        alertd.process.send_signal(signal.SIGSTOP)
        try:
            away = "sysmon-alertd did not answer within 2 s"
            # Before that it may hear no aggregator.
            while (await watcher.next_of("alerting"))["unevaluated"] != away:
                pass
            async with running.watch() as late:
                assert (await late.next())["unevaluated"] == away
        finally:
            alertd.process.send_signal(signal.SIGCONT)
        assert (await watcher.next_of("alerting"))["unevaluated"] != away


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, ""),
        ({"hears_aggregators": True}, ""),
        ({"hears_aggregators": False}, "sysmon-alertd hears no aggregator"),
        ({"hears_aggregators": False, "redis": {"state": "away"}}, ""),
        ({"database": {"state": "away"}}, ""),
        ({"hears_aggregators": False, "database": {"state": "away"}}, "sysmon-alertd hears no aggregator"),
    ],
)
def test_an_alertd_that_hears_nobody_evaluates_nothing(status: dict[str, object], why: str) -> None:
    assert unevaluated(status) == why


def test_the_rules_that_it_hears_of_first_and_nonsense_are_no_news() -> None:
    wall = Wall("web1")
    _, line = wall.browser()
    line.take()
    heard: tuple[object, ...] = (None, 5.0, 5.0, "x", [], None, 5.0)
    for since in heard:
        wall.hub.hear_of_rules(since)
    assert line.take() == []
    wall.hub.hear_of_rules(6.0)
    assert line.take() == [{"type": "rules", "since": 6.0}]


async def test_without_alertd_it_is_ready_and_says_what_is_missing(gateway: RunningGateway) -> None:
    problem = await gateway.get("/api/rules", 503)
    assert "GATEWAY_ALERTD" in problem["detail"]
    for name in ("redis", "database"):
        await state_becomes(gateway, name, "up")
    answer = await gateway.get("/ready")
    assert answer["ready"] is True
    assert answer["dependencies"]["alertd"]["needed"] is False
    assert "cannot be asked" in (await state_becomes(gateway, "alertd", "down"))["detail"]
    assert (await gateway.get("/api/alerts"))["alerts"] == []


async def test_an_alertd_that_comes_back_is_asked_again(redis_url: str, database_url: str, start: Starter) -> None:
    alertd = await start(redis_url, database_url)
    await alertd.said("alertd.started")
    async with serving(redis_url, database_url, alertd=f"unix:{alertd.control}") as running:
        await state_becomes(running, "alertd", "up")
        alertd.process.send_signal(signal.SIGSTOP)
        try:
            assert "did not answer" in (await running.get("/api/rules", 503))["detail"]
            await state_becomes(running, "alertd", "down")
        finally:
            alertd.process.send_signal(signal.SIGCONT)
        await state_becomes(running, "alertd", "up")
        await running.get("/api/rules")


@asynccontextmanager
async def stranger(path: Path, answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[AlertdClient]:
    """A client of a server that answers everything like this."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        async with AlertdClient(f"unix:{path}") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "body", ["", "nonsense", "[]", "{}", '{"rules": 5}', "[" * 100_000, '{"rules": "' + "x" * 5_000_000 + '"}']
)
async def test_what_is_no_alertd_is_said_to_be_none(tmp_path: Path, body: str) -> None:
    async with stranger(tmp_path / "s", lambda _: web.Response(text=body)) as client:
        with pytest.raises(AlertdAwayError, match="no sysmon-alertd"):
            await client.rules()


async def test_its_refusals_and_redirects_are_not_followed(tmp_path: Path) -> None:
    for answer in (
        web.Response(status=503, text="{}"),
        web.Response(status=302, headers={"Location": "/x"}, text="{}"),
    ):
        async with stranger(tmp_path / "s", lambda _, answer=answer: answer) as client:  # type: ignore[misc]
            with pytest.raises(AlertdAwayError):
                await client.status()


async def test_another_address_is_asked_from_then_on(tmp_path: Path) -> None:
    good = json.dumps({"rules": []})
    async with stranger(tmp_path / "s", lambda _: web.Response(text=good)) as client:
        assert await client.rules() == []
        await client.use("unix:/nonexistent/s")
        with pytest.raises(AlertdAwayError, match="No such file"):
            await client.rules()
        await asyncio.gather(*(client.use(f"unix:{tmp_path / 's'}") for _ in range(3)))
        assert await client.rules() == []


async def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "ANSWER_SECONDS", 0.2)
    server = await asyncio.start_unix_server(lambda _reader, _writer: None, tmp_path / "s")
    async with server, AlertdClient(f"unix:{tmp_path / 's'}") as client:
        with pytest.raises(AlertdAwayError, match=r"within 0\.2 s"):
            await client.status()


def test_what_an_alertd_lacks_is_said() -> None:
    up = {"state": "up", "detail": ""}
    assert lacking({"redis": up, "database": up, "hears_aggregators": True}) == ""
    away = {"state": "away", "detail": "x"}
    assert lacking({"redis": away, "database": away, "hears_aggregators": False}) == (
        "its redis is away, its database is away, it hears no aggregator"
    )
    assert lacking({}) == ""
