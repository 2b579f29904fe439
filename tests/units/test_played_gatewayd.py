"""sysmon-gatewayd under a played systemd: its sockets, its loops, its settings and its end."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from aiohttp import ClientSession, WSCloseCode, WSMsgType

from sysmonstm.ctl import servers
from tests.gatewayd.fleet_publisher import LAYOUT, FleetPublisher
from tests.shared.real_server import RealServer
from tests.units.asked import Asking, ask, crowd
from tests.units.played_systemd import PlayedSystemd, Unit, played, replaced_after, tcp_socket, unix_socket
from tests.units.wedged import command, longest_silence
from tests.whole_system import eventually

WATCHDOG_SECONDS = 2.0


class Http:
    """The sockets of sysmon-gatewayd.socket, and the addresses where they listen."""

    def __init__(self, path: Path) -> None:
        tcp = tcp_socket()
        self.sockets = [tcp, unix_socket(path)]
        self.tcp = ("127.0.0.1", int(tcp.getsockname()[1]))
        self.path = path


@pytest.fixture
def http(tmp_path: Path) -> Http:
    return Http(tmp_path / "gatewayd.sock")


def unit(http: Http, redis_url: str, database_url: str, *wedged: str, **more: str) -> Unit:
    settings: Mapping[str, str] = {
        "REDIS_URL": redis_url,
        "TIMESCALE_URL": database_url,
        "GATEWAY_ALERTD": "unix:/nonexistent/alertd.sock",
        **more,
    }
    return Unit(
        "gatewayd",
        settings,
        {"http": http.sockets},
        watchdog_seconds=WATCHDOG_SECONDS,
        command=command("gatewayd", *wedged) if wedged else (),
    )


def test_who_asks_before_it_runs_is_answered_on_both_sockets(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with PlayedSystemd(tmp_path, unit(http, redis_url, database_url)) as systemd:
        early = [Asking(http.tcp), Asking(http.path)]
        for asking in early:
            asking.request("GET", "/health")
        systemd.start()
        systemd.is_ready()
        assert systemd.status == "0 machines, 0 browsers"
        for address in (http.tcp, http.path):
            assert ask(address, "/health") == (200, {"status": "ok"})
        assert [asking.answer()[0] for asking in early] == [200, 200]
        assert systemd.listens_itself() == []
        assert systemd.stop() == 0


def test_whoever_starts_it_by_asking_is_shown_the_whole_fleet(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    publisher = FleetPublisher(redis_url)
    publisher.show("web1", [1.0] * len(LAYOUT.series))
    with PlayedSystemd(tmp_path, unit(http, redis_url, database_url)) as systemd:
        early = [Asking(http.path) for _ in range(5)]
        for asking in early:
            asking.request("GET", "/api/machines")
        systemd.start()
        for asking in early:
            _, said = asking.answer()
            assert [one["machine"] for one in said["machines"]] == ["web1"]
    publisher.close()


def test_it_is_ready_without_the_servers_that_it_needs_and_says_so_when_asked(tmp_path: Path, http: Http) -> None:
    with played(tmp_path, unit(http, "unix:///nonexistent/redis.sock", "host=/nonexistent")) as systemd:
        status, said = ask(http.path, "/ready")
        assert (status, said["ready"]) == (503, False)
        systemd.waits_for("WATCHDOG", "1", after=time.monotonic() + WATCHDOG_SECONDS)


def test_a_proxy_on_the_unix_socket_must_pass_on_a_host_that_is_allowed(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(http, redis_url, database_url, GATEWAY_ALLOWED_HOSTS="mon.example.org")):
        # As nginx says it unless told otherwise.
        assert ask(http.path, "/health", host="localhost")[0] == 200
        assert ask(http.path, "/health", host="mon.example.org")[0] == 200
        # What a page of another site made its visitor's browser say, and a proxy passed on.
        assert ask(http.path, "/health", host="evil.example")[0] == 421


def test_names_are_allowed_and_taken_back_while_it_runs(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    file = tmp_path / "gatewayd.toml"
    file.write_text("")
    one = unit(http, redis_url, database_url)
    configured = Unit("gatewayd", one.settings, one.sockets, ("--config", str(file)))
    with played(tmp_path, configured) as systemd:
        assert ask(http.tcp, "/health", host="mon.example.org")[0] == 421
        file.write_text('allowed_hosts = ["mon.example.org"]')
        systemd.reload()
        assert ask(http.tcp, "/health", host="mon.example.org")[0] == 200
        file.write_text('allowed_hosts = ["no host"]')
        systemd.reload()
        systemd.logs("reload.refused")
        assert "refused" in systemd.status
        assert ask(http.tcp, "/health", host="mon.example.org")[0] == 200
        file.write_text("")
        systemd.reload()
        assert ask(http.tcp, "/health", host="mon.example.org")[0] == 421
        assert systemd.stop() == 0


@pytest.mark.parametrize(
    ("wedge", "before"),
    [
        pytest.param("live.TICK_SECONDS = 3600", "from sysmonstm.gatewayd import live", id="state ticker"),
        pytest.param("readiness.PERIOD_SECONDS = 3600", "from sysmonstm.gatewayd import readiness", id="readiness"),
        # It waits for Redis for so long; how long that is, is not what the test is about.
        pytest.param("PubSub.get_message = forever", "bus.REDIS_TIMEOUT_SECONDS = 1.0", id="bus"),
        pytest.param("time.sleep(3600)", "", id="the event loop"),
    ],
)
def test_a_wedged_loop_is_replaced(
    tmp_path: Path, http: Http, redis_url: str, database_url: str, wedge: str, before: str
) -> None:
    with played(tmp_path, unit(http, redis_url, database_url, wedge, before)) as systemd:
        eventually("it is well", lambda: ask(http.path, "/ready")[0] == 200)
        after = replaced_after(systemd, lambda: systemd.signal(signal.SIGUSR1), WATCHDOG_SECONDS)
        assert after < WATCHDOG_SECONDS + 5


def test_servers_that_hang_are_no_reason_to_die(tmp_path: Path, http: Http, server_directory: Path) -> None:
    own = server_directory / "hanging-for-gateway"
    own.mkdir()
    with (
        RealServer(servers.redis, own) as redis,
        RealServer(servers.postgres, own) as postgres,
        played(tmp_path, unit(http, redis.url, postgres.url)) as systemd,
    ):
        eventually("it has seen Redis", lambda: _state(http, "redis") == "up")
        postgres.freeze()
        redis.freeze()
        assert longest_silence(systemd, 15.0) < WATCHDOG_SECONDS
        assert (_state(http, "redis"), _state(http, "database")) == ("down", "down")
        assert ask(http.tcp, "/health")[0] == 200
        postgres.thaw()
        redis.thaw()
        eventually("Redis is back", lambda: _state(http, "redis") == "up")


def _state(http: Http, dependency: str) -> str:
    return str(ask(http.path, "/ready")[1]["dependencies"][dependency]["state"])


def test_what_is_being_answered_is_answered_before_the_end(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with (
        played(tmp_path, unit(http, redis_url, database_url)) as systemd,
        psycopg.connect(database_url) as locking,
    ):
        assert ask(http.tcp, "/api/events")[0] == 200
        locking.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        asking = Asking(http.tcp)
        asking.request("GET", "/api/events")
        eventually("the request waits for the lock", lambda: _somebody_waits(database_url))
        systemd.signal(signal.SIGTERM)
        time.sleep(0.5)
        locking.rollback()
        assert asking.answer() == (200, {"events": []})
        assert systemd.ends() == 0


def _somebody_waits(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return row is not None and row[0] > 0


def test_who_has_connected_and_not_yet_asked_is_answered_before_the_end(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(http, redis_url, database_url)) as systemd:
        asking = Asking(http.tcp)
        ask(http.tcp, "/health")
        systemd.signal(signal.SIGTERM)
        systemd.waits_for("STOPPING", "1")
        asking.request("GET", "/health")
        assert asking.answer()[0] == 200
        assert systemd.ends() == 0


async def test_browsers_are_told_that_it_restarts_and_when_to_come_back(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(http, redis_url, database_url)) as systemd:
        host, port = http.tcp
        async with ClientSession() as session, session.ws_connect(f"http://{host}:{port}/ws") as ws:
            assert (await ws.receive_json(timeout=30))["type"] == "snapshot"
            systemd.signal(signal.SIGTERM)
            while (last := await ws.receive(timeout=30)).type is WSMsgType.TEXT:
                pass
            assert (last.type, last.data) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)
            assert last.extra == "the gateway restarts; connect again in 1 s"
        assert systemd.ends() == 0


def test_no_descriptor_stays_behind(tmp_path: Path, http: Http, redis_url: str, database_url: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    with played(tmp_path, unit(http, redis_url, database_url)) as systemd:
        eventually("it is well", lambda: ask(http.path, "/ready")[0] == 200)
        ask(http.tcp, "/api/events")
        before = len(systemd.descriptors())
        for number in range(300):
            asking = Asking(http.tcp if number % 2 else http.path)
            if number % 3 == 1:
                asking.request("GET", "/api/events" if number % 4 else "/nothing")
                asking.answer()
            elif number % 3 == 2:
                asking.request("GET", "/ws", headers=upgrade)
            asking.close()
        # The pool may have made up to its four connections to the database meanwhile.
        eventually("what was open is closed", lambda: len(systemd.descriptors()) <= before + 3)
        kinds = [target for target in systemd.descriptors().values() if target.startswith("socket:")]
        assert len(kinds) < 20


def test_restarts_refuse_and_drop_nobody(tmp_path: Path, http: Http, redis_url: str, database_url: str) -> None:
    with (
        played(tmp_path, unit(http, redis_url, database_url)) as systemd,
        crowd(http.tcp, "/health", threads=4) as over_tcp,
        crowd(http.path, "/api/machines", threads=4) as over_unix,
    ):
        for _ in range(3):
            over_tcp.goes_on(40)
            over_unix.goes_on(40)
            assert systemd.stop() == 0
            systemd.start()
            systemd.is_ready()
        over_tcp.goes_on(60)
        over_unix.goes_on(60)
        over_tcp.stop()
        over_unix.stop()
    assert over_tcp.failures + over_unix.failures == []
    assert over_tcp.answered + over_unix.answered >= 300


def test_a_socket_that_was_handed_over_is_left_to_the_next(
    tmp_path: Path, http: Http, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(http, redis_url, database_url)) as systemd:
        assert systemd.stop() == 0
        assert http.path.is_socket()
        waiting = socket.create_connection(http.tcp, 5)
        systemd.start()
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert waiting.makefile("rb").readline().startswith(b"HTTP/1.1 200")
        waiting.close()
