"""The private servers are real, keep their data, and come back after whatever ended them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from sysmonstm.config import UserError
from sysmonstm.ctl import binaries, servers
from sysmonstm.ctl.binaries import PostgresInstallation, choose_postgres, wheel_directory
from sysmonstm.ctl.process import STOP_SECONDS

INSTALLATIONS = binaries.postgres_installations()
every_postgres = pytest.mark.parametrize("installation", INSTALLATIONS, ids=lambda one: one.version)


def runs(pid: int) -> bool:
    """Whether the process is there and not only waiting for its parent to take note of its end."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pid: int) -> None:
    """For a process that is not our child any more, or never was."""
    deadline = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.02)


def one_value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def make_note(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE note AS SELECT 42 AS answer")


@every_postgres
def test_each_postgresql_of_this_machine_starts_as_asked_and_keeps_its_data(
    installation: PostgresInstallation, state: Path
) -> None:
    with servers.postgres(state, installations=[installation]) as server:
        assert str(one_value(server.url, "SHOW server_version")).startswith(installation.version)
        assert one_value(server.url, "SELECT current_database()") == "monitor"
        assert one_value(server.url, "SHOW listen_addresses") == ""
        assert one_value(server.url, "SHOW synchronous_commit") == "on"
        assert one_value(server.url, "SHOW server_encoding") == "UTF8"
        make_note(server.url)
    assert not runs(server.pid)
    with servers.postgres(state, installations=[installation]) as server:
        assert one_value(server.url, "SELECT answer FROM note") == 42


def test_this_machine_has_the_postgresql_of_the_wheel() -> None:
    assert any(installation.wheel for installation in INSTALLATIONS), "pip install -e '.[embedded]'"


def test_only_we_can_reach_the_sockets(state: Path) -> None:
    with servers.postgres(state), servers.redis(state):
        assert (state / "postgres" / "run").stat().st_mode & 0o077 == 0
        assert (state / "redis" / "redis.sock").stat().st_mode & 0o077 == 0


@every_postgres
def test_postgresql_starts_again_after_kill_9_with_all_that_was_committed(
    installation: PostgresInstallation, state: Path
) -> None:
    with servers.postgres(state, installations=[installation]) as server:
        make_note(server.url)
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        assert (state / "postgres" / "data" / "postmaster.pid").exists()
    with servers.postgres(state, installations=[installation]) as server:
        assert one_value(server.url, "SELECT answer FROM note") == 42


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
import psycopg
from sysmonstm.ctl import servers
with servers.redis(Path(sys.argv[1])), servers.postgres(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE note AS SELECT 42 AS answer")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_servers_of_a_killed_run_are_stopped_by_the_next(state: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_RUN, state])
    assert killed.returncode == -signal.SIGKILL
    left = [int((state / name).read_text().split()[0]) for name in ("redis/pid", "postgres/data/postmaster.pid")]
    assert all(runs(pid) for pid in left)
    try:
        with servers.redis(state) as redis, servers.postgres(state) as server:
            for pid in left:
                wait_until_gone(pid)
            assert {redis.pid, server.pid}.isdisjoint(left)
            assert one_value(server.url, "SELECT answer FROM note") == 42
    finally:
        for pid in filter(runs, left):
            os.kill(pid, signal.SIGKILL)


def test_a_process_that_only_has_the_number_of_a_former_server_is_left_alone(state: Path) -> None:
    directory = state / "redis"
    directory.mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=directory) as another:
        (directory / "pid").write_text(str(another.pid))
        with servers.redis(state) as server, Redis.from_url(server.url) as client:
            assert client.ping()
            assert another.poll() is None
        another.kill()


def test_redis_starts_where_a_killed_one_left_its_socket(state: Path) -> None:
    with servers.redis(state) as server:
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
    with socket.socket(socket.AF_UNIX) as client, suppress(ConnectionRefusedError):
        client.connect(str(state / "redis" / "redis.sock"))
        pytest.fail("nothing should listen there")
    with servers.redis(state) as server, Redis.from_url(server.url) as client_of_new:
        assert client_of_new.ping()
        assert client_of_new.config_get("port") == {"port": "0"}
    assert not runs(server.pid)


def test_a_paused_server_is_stopped_by_force(state: Path) -> None:
    with servers.postgres(state) as server:
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert not runs(server.pid)
    assert time.monotonic() - began >= STOP_SECONDS, "it was given its time first"


def test_data_goes_to_the_postgresql_of_its_version(tmp_path: Path) -> None:
    old, new = (PostgresInstallation(Path(f"/{major}"), f"{major}.3") for major in (15, 18))
    assert choose_postgres([new, old], tmp_path) == new
    (tmp_path / "PG_VERSION").write_text("15\n")
    assert choose_postgres([new, old], tmp_path) == old


def test_data_of_a_version_that_is_not_there_is_refused_with_a_hint(state: Path) -> None:
    with servers.postgres(state):
        pass
    (state / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(UserError, match=r"made by PostgreSQL 9 and this machine has .*18.*; install PostgreSQL 9, or"):
        servers.postgres(state).__enter__()


def test_no_postgresql_at_all_is_refused_with_a_hint(state: Path) -> None:
    with pytest.raises(UserError, match="install Debian's postgresql"):
        servers.postgres(state, installations=[]).__enter__()


def test_a_path_too_long_for_a_unix_socket_is_refused_with_a_hint(state: Path) -> None:
    deep = state / ("x" * 100)
    for opened in (servers.redis(deep), servers.postgres(deep)):
        with pytest.raises(UserError, match=r"too long for a unix socket .*shorter --state"):
            opened.__enter__()


def test_a_server_that_does_not_start_is_told_with_its_own_words(state: Path) -> None:
    with servers.postgres(state):
        pass
    (state / "postgres" / "data" / "postgresql.conf").write_text("work_mem = nonsense\n")
    with pytest.raises(UserError, match=r"PostgreSQL did not start: .*FATAL.*configuration.*postgresql\.log"):
        servers.postgres(state).__enter__()


def test_an_interrupt_while_a_server_starts_stops_it(state: Path) -> None:
    class Interrupt(Exception):
        pass

    def interrupt(_seconds: float) -> None:
        raise Interrupt

    with pytest.raises(Interrupt):
        servers.postgres(state, interrupt).__enter__()
    assert not (state / "postgres" / "data").exists()
    with servers.postgres(state) as server:
        assert one_value(server.url, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_a_directory_that_postgresqls_account_cannot_enter_is_refused_with_a_hint(state: Path) -> None:
    state.chmod(0o700)
    with pytest.raises(UserError, match=r"cannot enter .*choose another directory with --state"):
        servers.postgres(state).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_a_wheel_that_postgresqls_account_cannot_reach_is_copied_once(state: Path) -> None:
    wheel = wheel_directory(binaries.POSTGRES_WHEEL)
    assert wheel
    installed = next(one for one in INSTALLATIONS if one.wheel)
    hidden = state / "hidden"
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, hidden / part.name, symlinks=True)
    hidden.chmod(0o700)
    where = hidden / installed.bin.relative_to(wheel.parent)
    for _ in range(2):
        with servers.postgres(state, installations=[PostgresInstallation(where, installed.version, True)]) as server:
            assert one_value(server.url, "SELECT 1") == 1
            copy = state / "postgres" / f"server-{installed.version}"
            assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(copy)
            made = copy.stat().st_ctime_ns
    assert copy.stat().st_ctime_ns == made
