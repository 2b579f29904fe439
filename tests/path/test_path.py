"""From a probe to a browser through four real processes, and what becomes of the path when one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from sysmonstm.ctl import binaries
from tests.whole_system import DAEMONS, WholeSystem, eventually, whole_system


async def test_a_value_that_a_probe_reads_arrives_at_a_websocket(system: WholeSystem) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{system.url}/ws") as socket:
        snapshot = json.loads((await socket.receive(30)).data)
        layouts = snapshot["layouts"]
        update = snapshot
        while update["type"] != "frames":
            update = json.loads((await socket.receive(30)).data)
            if update["type"] == "layout":
                layouts[update["id"]] = update["series"]
    (frame,) = update["frames"]
    series = layouts[frame["layout"]]
    values = {(one["metric"], one["instance"]): value for one, value in zip(series, frame["values"], strict=True)}
    assert frame["machine"] == "this-machine"
    assert values["memory.total", ""] == pytest.approx(psutil.virtual_memory().total, rel=1e-6)
    assert 0 <= values["cpu.percent", ""] <= 100
    assert values["probe.success", "cpu"] == 1


def test_the_person_is_told_which_postgresql_keeps_history(system: WholeSystem) -> None:
    assert f"\nhistory is kept by {binaries.postgres_installations()[0].edition}\n" in system.output.read_text()


def test_history_holds_what_was_live(system: WholeSystem) -> None:
    system.moves_on()

    def stored() -> bool:
        answer = system.get("/api/machines/this-machine/history?metric=memory.total")
        return any(value for series in answer.get("series", []) for value in series["mean"])

    eventually("history has a value of memory.total", stored)


def test_samples_wait_in_the_state_directory(system: WholeSystem) -> None:
    system.moves_on()
    assert list((system.state / "collector").glob("*.spool*"))


@pytest.mark.parametrize("daemon", DAEMONS)
def test_the_path_recovers_when_a_daemon_is_killed(system: WholeSystem, daemon: str) -> None:
    system.kill(daemon)
    system.moves_on()
    eventually("/ready says so", lambda: system.get("/ready").get("ready"))


def test_killing_the_aggregator_leaves_no_gap_in_history(system: WholeSystem) -> None:
    system.moves_on()
    start = time.time()
    system.kill("aggregatord")
    system.moves_on()
    end = time.time()

    eventually("every second between the kill and the recovery has its sample", lambda: _gapless(system, start, end))


def _gapless(system: WholeSystem, start: float, end: float) -> bool:
    """Whether history has a sample in each second. Two fall into each, so that one more or less early makes no gap."""
    query = f"metric=memory.total&from={start}&to={end}&points={max(1, int(end - start))}"
    series = system.get(f"/api/machines/this-machine/history?{query}").get("series")
    return bool(series) and None not in series[0]["mean"][1:-1]


def test_a_second_machine_joins_by_one_command(system: WholeSystem) -> None:
    with collector(system, "second-machine"):
        system.moves_on("second-machine")
        joined = eventually(
            "an event says that it has joined",
            lambda: system.get("/api/events?kind=machine.new&machine=second-machine").get("events"),
        )
        assert "second-machine" in joined[0]["message"]
        everybody = {one["machine"]: one["state"] for one in system.get("/api/machines")["machines"]}
        # Other tests may have had others join.
        assert everybody["this-machine"] == everybody["second-machine"] == "up"


def test_live_goes_on_while_the_database_hangs_and_history_catches_up(system: WholeSystem) -> None:
    postmaster = psutil.Process(system.pid("postgres"))
    backends = [*postmaster.children(), postmaster]
    stopped = time.time()
    for process in backends:
        process.suspend()
    try:
        eventually("/ready names the database", lambda: _down(system) == {"database"})
        system.moves_on()
        assert system.get("/api/events")["status"] == 503
    finally:
        for process in reversed(backends):
            process.resume()
    resumed = time.time()
    eventually("/ready says so", lambda: system.get("/ready").get("ready"))

    eventually("history has every sample of the meantime", lambda: _gapless(system, stopped, resumed))


@pytest.mark.parametrize(("server", "dependency"), [("redis-server", "redis"), ("postgres", "database")])
def test_the_path_recovers_when_a_server_is_killed(system: WholeSystem, server: str, dependency: str) -> None:
    daemons = {name: system.pid(name) for name in DAEMONS}
    system.kill(server)
    eventually(f"{dependency} is up", lambda: system.get("/ready").get("ready"))
    system.moves_on()
    assert {name: system.pid(name) for name in DAEMONS} == daemons, "no daemon needed a restart"
    assert system.machine() is not None


def _down(system: WholeSystem) -> set[str]:
    return {name for name, one in system.get("/ready").get("dependencies", {}).items() if one["state"] == "down"}


@contextmanager
def collector(system: WholeSystem, name: str) -> Iterator[None]:
    """Another machine, added as the README says."""
    environment = os.environ | {
        "COLLECTOR_AGGREGATOR_URL": system.aggregator,
        "COLLECTOR_MACHINE_ID": name,
        "COLLECTOR_SPOOL_DIRECTORY": str(system.state / f"spool-{name}"),
    }
    command = Path(sys.executable).with_name("sysmon-collectord")
    process = subprocess.Popen([command], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def test_a_silent_machine_is_not_forgotten_when_redis_loses_its_data(system: WholeSystem) -> None:
    with collector(system, "gone-silent"):
        system.moves_on("gone-silent")
        eventually("its sample is stored", lambda: system.get(_memory(0, "gone-silent")).get("series"))
    # The aggregator that follows finds it in Redis, and so has no need to know it itself.
    system.kill("aggregatord")
    system.moves_on()
    system.kill("redis-server")
    system.moves_on()
    machine = eventually("the silent machine is shown again", lambda: system.machine("gone-silent"))
    assert machine["time"] is not None


def test_a_daemon_says_a_trouble_once_and_its_end_once(system: WholeSystem) -> None:
    def said(event: str) -> int:
        return [line["event"] for line in system.logged("aggregatord")].count(event)

    away, back = said("redis.away"), said("redis.back")
    system.kill("redis-server")
    eventually("Redis is back", lambda: said("redis.back") > back)
    assert (said("redis.away"), said("redis.back")) == (away + 1, back + 1)
    assert not [line for line in system.logged("aggregatord") if "traceback" in line.get("fields", {})]


def test_data_outlives_a_stop_and_nothing_is_left_running(server_directory: Path) -> None:
    with whole_system(server_directory / "twice") as system:
        system.moves_on()
        start = time.time()
        eventually("a sample is stored", lambda: system.get(_memory(0)).get("series"))
        assert system.stop() == []
        assert system.process.returncode == 130 or system.process.returncode == 0
        system.start()
        kept = system.get(_memory(start))["series"]
        assert any(value for value in kept[0]["mean"])
        system.moves_on()


def _memory(end: float, machine: str = "this-machine") -> str:
    return f"/api/machines/{machine}/history?metric=memory.total{f'&to={end}' if end else ''}"


def test_a_second_instance_and_a_taken_port_end_with_one_line(system: WholeSystem, server_directory: Path) -> None:
    second = _up(system.state, {})
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    taken = _up(server_directory / "taken", {"GATEWAY_LISTEN": system.url.removeprefix("http://")})
    assert taken.returncode == 1
    assert "GATEWAY_LISTEN" in taken.stderr
    assert len(taken.stderr.splitlines()) == 1


def _up(state: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    free = {"AGGREGATOR_LISTEN": "127.0.0.1:0", "GATEWAY_LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "sysmonstm.ctl", "up", "--state", str(state)]
    return subprocess.run(command, env=os.environ | free | settings, capture_output=True, text=True, timeout=60)


def test_an_alert_goes_from_a_rule_to_the_page(server_directory: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.any]\nmetric = "memory.total"\ncomparison = ">"\nthreshold = 1\nseverity = "info"\n')
    with whole_system(server_directory / "alert", ALERTS_RULES_FILE=str(rules)) as system:
        alert = eventually(
            "the alert fires",
            lambda: next((one for one in system.get("/api/alerts")["alerts"] if one["state"] == "firing"), None),
        )
        assert (alert["rule"], alert["machine"]) == ("any", "this-machine")
        assert system.get("/api/events?kind=alert.firing")["events"]
        assert [line for line in system.logged("alertd") if line["event"] == "alert.firing"]


def test_ctrl_c_while_starting_leaves_nothing_running(server_directory: Path) -> None:
    environment = os.environ | {"AGGREGATOR_LISTEN": "127.0.0.1:0", "GATEWAY_LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "sysmonstm.ctl", "up", "--state", str(server_directory / "early")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    children: list[psutil.Process] = eventually(
        "something was started", lambda: psutil.Process(process.pid).children(recursive=True) or None
    )
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
