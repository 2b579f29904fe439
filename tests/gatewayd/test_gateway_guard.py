"""Who may ask, and what errors show."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct

import pytest
from aiohttp import WSServerHandshakeError

from sysmonstm.gatewayd import api, guard
from sysmonstm.gatewayd.guard import check_origin, is_known_host
from sysmonstm.problem import ProblemError
from tests.gatewayd.fleet_publisher import FleetPublisher
from tests.gatewayd.running_gateway import RunningGateway, serving, until

NAMES = frozenset({"hub", "mon.example.org"})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "192.168.7.7:80",
        "[::1]",
        "[::1]:8000",
        "[fe80::1]:1",
        "localhost",
        "LOCALHOST:8000",
        "x.localhost:1",
        "hub",
        "HUB:8000",
        "mon.example.org",
        "Mon.Example.Org.:443",
    ],
)
def test_addresses_localhost_and_own_names_are_known(host: str) -> None:
    assert is_known_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":",
        "evil.example",
        "evil.example:8000",
        "hub.evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "hub@evil.example",
        "evil@hub",
        "hub/..",
        "hub?",
        "hub#x",
        "[::1",
        "hub:port",
        "hub:99999",
        " hub",
        "1270.0.0.1",
        "127.0.0.1:80:80",
        "hub\\evil",
        "localhost/",
    ],
)
def test_any_other_host_is_not(host: str) -> None:
    assert not is_known_host(host, NAMES)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://hub", "hub"),
        ("http://hub", "hub:80"),
        ("https://mon.example.org", "mon.example.org"),
        ("https://mon.example.org:443", "Mon.Example.Org"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://hub.:8000", "hub.:8000"),
    ],
)
def test_a_page_of_this_server_may_open_the_websocket(origin: str, host: str) -> None:
    check_origin({"Origin": origin, "Host": host})


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "hub"),
        ("http://hub.evil.example", "hub"),
        ("http://hub:8001", "hub:8000"),
        ("http://127.0.0.1", "127.0.0.1:8000"),
        ("null", "hub"),
        ("", "hub"),
        ("", ""),
        ("file://", ""),
        ("http://hub:x", "hub"),
        ("http://[", "hub"),
    ],
)
def test_a_page_of_another_site_may_not(origin: str, host: str) -> None:
    with pytest.raises(ProblemError) as refused:
        check_origin({"Origin": origin, "Host": host})
    assert refused.value.status == 403


async def test_a_rebound_name_is_refused_everywhere_with_the_setting_that_allows_it(gateway: RunningGateway) -> None:
    for path in ("/", "/api/machines", "/ws", "/static/js/main.js", "/metrics", "/nothing"):
        problem = await gateway.get(path, status=421, Host="evil.example:8000")
        assert "GATEWAY_ALLOWED_HOSTS" in problem["detail"]


async def test_a_name_in_the_settings_is_allowed_and_so_is_this_hosts_own(redis_url: str, database_url: str) -> None:
    async with serving(redis_url, database_url, ("mon.example.org",)) as running:
        for name in ("MON.example.org", "mon.example.org:8000", socket.gethostname()):
            await running.get("/health", Host=name)
        await running.get("/health", 421, Host="other.example.org")


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("cross-site", "cors", "empty", 403),
        ("cross-site", "no-cors", "image", 403),
        ("same-site", "no-cors", "empty", 403),
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
    ],
)
async def test_another_sites_page_cannot_have_a_browser_ask_but_link_to_us(
    gateway: RunningGateway, site: str, mode: str, dest: str, status: int
) -> None:
    asked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    async with gateway.session.get(gateway.server.make_url("/api/machines"), headers=asked) as answer:
        assert answer.status == status


async def test_another_sites_page_cannot_open_the_websocket(gateway: RunningGateway) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        async with gateway.watch(Origin="http://evil.example"):
            pass
    assert refused.value.status == 403
    async with gateway.watch(Origin=str(gateway.server.make_url("")).rstrip("/")) as watcher:
        assert (await watcher.next())["type"] == "snapshot"


@pytest.mark.parametrize(
    "path", ["/", "/api/machines", "/static/js/main.js", "/metrics", "/nothing", "/api/events?limit=x"]
)
async def test_every_answer_has_the_headers_that_keep_browsers_safe(gateway: RunningGateway, path: str) -> None:
    async with gateway.session.get(gateway.server.make_url(path)) as response:
        policy = [one.split() for one in response.headers["Content-Security-Policy"].split(";")]
        # Each line of it is a decision; all that the page loads is its own.
        own = [[f"{what}-src", "'self'"] for what in ("script", "style", "img", "connect")]
        never = [[what, "'none'"] for what in ("base-uri", "form-action", "frame-ancestors")]
        text = [["require-trusted-types-for", "'script'"], ["trusted-types", "'none'"]]
        assert policy == [["default-src", "'none'"], *own, *never, *text]
        others = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Server": "sysmon-gatewayd",
        }
        assert {name: response.headers[name] for name in others} == others
        assert {"Content-Security-Policy", *others} == set(guard.HEADERS)
        assert "aiohttp" not in str(response.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/machines/",
        "/static/../../pyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/",
        "/static/js",
        "/static/nothing.js",
        "/api/machines/web1",
        "/%00",
        "/static/%00",
    ],
)
async def test_what_is_not_there_is_a_problem(gateway: RunningGateway, path: str) -> None:
    async with gateway.session.get(gateway.server.make_url(path)) as response:
        problem = await response.json(content_type="application/problem+json")
        assert response.status == problem["status"]
        assert response.status in (403, 404)
        assert (problem["type"], bool(problem["title"]), bool(problem["detail"])) == ("about:blank", True, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_problems_that_say_which_are_allowed(gateway: RunningGateway, method: str) -> None:
    for path in ("/api/machines", "/", "/ws"):
        async with gateway.session.request(method, gateway.server.make_url(path)) as response:
            problem = await response.json(content_type="application/problem+json")
            assert (response.status, problem["status"]) == (405, 405)
            assert "GET" in response.headers["Allow"]


def _fail(_: float) -> None:
    raise RuntimeError("the secret of the inside")


async def test_a_bug_is_a_problem_without_details_and_a_traceback_in_the_log(
    gateway: RunningGateway,
    publisher: FleetPublisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    await gateway.knows("web1")
    monkeypatch.setattr(api, "number", _fail)
    problem = await gateway.get("/api/machines", status=500)
    assert "secret" not in json.dumps(problem)
    (record,) = [one for one in caplog.records if getattr(one, "sysmon_event", "") == "http.failed"]
    assert "the secret of the inside" in record.__dict__["sysmon_fields"]["traceback"]
    assert gateway.gateway.hub.counts.failures == 1


async def test_clients_that_break_off_or_talk_nonsense_leave_no_traceback(
    gateway: RunningGateway, publisher: FleetPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.show("web1", [1, 2, 3, 4])
    await gateway.knows("web1")
    websocket = (
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    for request in (
        websocket,
        b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01nonsense\r\n\r\n",
        b"GET",
    ):
        for _ in range(5):
            sock = socket.create_connection(("127.0.0.1", gateway.server.port))
            # Closing sends a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request)
            await asyncio.sleep(0.01)
            sock.close()
            publisher.sample("web1", [1, 2, 3, 4])
    await until(lambda: not gateway.gateway.hub.clients)
    await gateway.get("/health")
    assert [one for one in caplog.records if one.levelno >= logging.ERROR or one.exc_info] == []
    assert gateway.gateway.hub.counts.failures == 0
