"""sysmon-alertd under a played systemd: its control interface, its loops, its rules and its end."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.ctl import servers
from tests.shared.real_server import RealServer
from tests.units.asked import Asking, ask, crowd
from tests.units.played_systemd import PlayedSystemd, Unit, at_rest, played, replaced_after, tcp_socket, unix_socket
from tests.units.wedged import command, longest_silence
from tests.whole_system import eventually

WATCHDOG_SECONDS = 2.0
NO_DATABASE = "host=/nonexistent dbname=monitor"
RULES = 'defaults = false\n[rules.hot]\nmetric = "cpu.percent"\nthreshold = 90\n'


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """Where the control interface is."""
    return tmp_path / "alertd.sock"


def unit(control: Path, redis_url: str, database_url: str, *wedged: str, **more: str) -> Unit:
    rules = control.with_name("rules.toml")
    if not rules.exists():
        rules.write_text(RULES)
    settings = {"REDIS_URL": redis_url, "TIMESCALE_URL": database_url, "ALERTS_RULES_FILE": str(rules)} | more
    return Unit(
        "alertd",
        settings,
        {"control": [unix_socket(control)]},
        watchdog_seconds=WATCHDOG_SECONDS,
        command=command("alertd", *wedged) if wedged else (),
    )


def test_who_asks_before_it_runs_is_answered_and_ready_means_that_it_answers(
    tmp_path: Path, control: Path, redis_url: str
) -> None:
    with PlayedSystemd(tmp_path, unit(control, redis_url, NO_DATABASE)) as systemd:
        early = Asking(control)
        early.request("GET", "/status")
        systemd.start()
        systemd.is_ready()
        assert "waiting for the database" in systemd.status
        assert ask(control, "/status")[0] == 200
        status, said = early.answer()
        assert (status, said["database"]["state"]) == (200, "away")
        systemd.waits_for("WATCHDOG", "1", after=time.monotonic() + WATCHDOG_SECONDS)
        assert systemd.stop() == 0


def test_whoever_could_reach_a_tcp_socket_cannot_ask(tmp_path: Path, control: Path, redis_url: str) -> None:
    one = unit(control, redis_url, NO_DATABASE)
    with PlayedSystemd(tmp_path, Unit("alertd", one.settings, {"control": [tcp_socket()]})) as systemd:
        systemd.start()
        assert systemd.ends() == 1
        assert "the control interface is for unix sockets only" in systemd.log()


def test_a_socket_of_another_name_is_not_served(tmp_path: Path, control: Path, redis_url: str) -> None:
    one = unit(control, redis_url, NO_DATABASE)
    other = Unit("alertd", one.settings, {"other": one.sockets["control"]})
    with played(tmp_path, other) as systemd:
        systemd.logs("listen.unknown")
        assert systemd.events("listen.open") == []


def test_its_status_says_what_is_watched(tmp_path: Path, control: Path, redis_url: str, database_url: str) -> None:
    with played(tmp_path, unit(control, redis_url, database_url)) as systemd:
        systemd.says("0 machines, 1 rule, 0 firing, no aggregator is heard")
        assert systemd.listens_itself() == []
        assert systemd.stop() == 0
        assert any("STOPPING" in one.fields for one in systemd.heard)


@pytest.mark.parametrize(
    ("wedge", "before"),
    [
        pytest.param("main.TICK_SECONDS = 3600", "", id="tick"),
        pytest.param("writer.REST_SECONDS = 3600", "from sysmonstm.alertd import writer", id="writer"),
        pytest.param("delivery.POLL_SECONDS = 3600", "from sysmonstm.alertd import delivery", id="delivery"),
        # It waits for Redis for so long; how long that is, is not what the test is about.
        pytest.param("PubSub.get_message = forever", "bus.REDIS_TIMEOUT_SECONDS = 1.0", id="bus"),
        pytest.param("time.sleep(3600)", "", id="the event loop"),
    ],
)
def test_a_wedged_loop_is_replaced(
    tmp_path: Path, control: Path, redis_url: str, database_url: str, wedge: str, before: str
) -> None:
    with played(tmp_path, unit(control, redis_url, database_url, wedge, before)) as systemd:
        systemd.says("1 rule,")
        after = replaced_after(systemd, lambda: systemd.signal(signal.SIGUSR1), WATCHDOG_SECONDS)
        assert after < WATCHDOG_SECONDS + 5


def test_servers_that_hang_are_no_reason_to_die(tmp_path: Path, control: Path, server_directory: Path) -> None:
    (server_directory / "hanging-for-alertd").mkdir()
    with (
        RealServer(servers.redis, server_directory / "hanging-for-alertd") as redis,
        RealServer(servers.postgres, server_directory / "hanging-for-alertd") as postgres,
        played(tmp_path, unit(control, redis.url, postgres.url)) as systemd,
    ):
        systemd.says("waiting for the database")
        postgres.freeze()
        redis.freeze()
        assert longest_silence(systemd, 15.0) < WATCHDOG_SECONDS
        assert ask(control, "/status")[1]["database"]["state"] == "away"
        postgres.thaw()
        redis.thaw()


def test_servers_that_hang_later_are_none_either(tmp_path: Path, control: Path, server_directory: Path) -> None:
    own = server_directory / "hanging-later"
    own.mkdir()
    with RealServer(servers.redis, own) as redis, RealServer(servers.postgres, own) as postgres:
        asyncio.run(_migrate(postgres.url))
        with played(tmp_path, unit(control, redis.url, postgres.url)) as systemd:
            systemd.says("1 rule,")
            postgres.freeze()
            redis.freeze()
            assert longest_silence(systemd, 15.0) < WATCHDOG_SECONDS
            systemd.says("nothing is evaluated: Redis does not answer")
            redis.thaw()
            postgres.thaw()
            systemd.says("no aggregator is heard")


async def _migrate(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)


def test_a_signal_reads_the_rules_anew_and_refuses_bad_ones(
    tmp_path: Path, control: Path, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(control, redis_url, database_url)) as systemd:
        systemd.says("1 rule,")
        rules = control.with_name("rules.toml")
        rules.write_text("[rules.bad]\n")
        systemd.reload()
        systemd.logs("reload.refused")
        systemd.says("the new configuration is refused")
        assert [rule["rule"] for rule in ask(control, "/rules")[1]["rules"]] == ["hot"]
        rules.write_text(RULES + "[rules.still]\nsilent = true\n")
        systemd.reload()
        systemd.says("2 rules")
        assert "refused" not in systemd.status
        assert {rule["rule"] for rule in ask(control, "/rules")[1]["rules"]} == {"hot", "still"}
        assert systemd.stop() == 0


class _Slow(BaseHTTPRequestHandler):
    asked = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.set()
        time.sleep(0.5)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow_webhook() -> Iterator[str]:
    """Answers after half a second."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_what_is_being_answered_is_answered_before_the_end(
    tmp_path: Path, control: Path, redis_url: str, database_url: str, slow_webhook: str
) -> None:
    with played(tmp_path, unit(control, redis_url, database_url, ALERTS_WEBHOOK_URL=slow_webhook)) as systemd:
        asking = Asking(control)
        asking.request("POST", "/test")
        assert _Slow.asked.wait(30)
        systemd.signal(signal.SIGTERM)
        assert asking.answer()[1]["status"] == 204
        assert systemd.ends() == 0


def test_who_has_connected_and_not_yet_asked_is_answered_before_the_end(
    tmp_path: Path, control: Path, redis_url: str, database_url: str
) -> None:
    with played(tmp_path, unit(control, redis_url, database_url)) as systemd:
        asking = Asking(control)
        ask(control, "/status")
        systemd.signal(signal.SIGTERM)
        systemd.waits_for("STOPPING", "1")
        asking.request("GET", "/status")
        assert asking.answer()[0] == 200
        assert systemd.ends() == 0


def test_no_descriptor_stays_behind(tmp_path: Path, control: Path, redis_url: str, database_url: str) -> None:
    with played(tmp_path, unit(control, redis_url, database_url)) as systemd:
        systemd.says("1 rule,")
        ask(control, "/status")
        eventually("it has connected to its stores", lambda: at_rest(systemd))
        before = len(systemd.descriptors())
        for number in range(300):
            asking = Asking(control)
            if number % 3:
                asking.request("GET", "/status" if number % 2 else "/nothing")
            if number % 3 == 1:
                asking.answer()
            asking.close()
        eventually("as many descriptors are open as before", lambda: len(systemd.descriptors()) <= before)


def test_restarts_refuse_and_drop_nobody(tmp_path: Path, control: Path, redis_url: str, database_url: str) -> None:
    with played(tmp_path, unit(control, redis_url, database_url)) as systemd, crowd(control, "/status") as asking:
        for _ in range(3):
            asking.goes_on(60)
            assert systemd.stop() == 0
            systemd.start()
            systemd.is_ready()
        asking.goes_on(120)
        asking.stop()
    assert asking.failures == []
    assert asking.answered >= 300
