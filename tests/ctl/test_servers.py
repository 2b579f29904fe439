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
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from sysmonstm.config import UserError
from sysmonstm.ctl import binaries, servers
from sysmonstm.ctl.binaries import TIMESCALEDB_VERSION, PostgresInstallation, choose_postgres, wheel_directory
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


@pytest.fixture
def timescaledb() -> PostgresInstallation:
    """A PostgreSQL with TimescaleDB."""
    for installation in INSTALLATIONS:
        if installation.timescaledb:
            return installation
    pytest.skip("no PostgreSQL with TimescaleDB; on Debian 12 and 13, as root: PATH=$(.ci/timescaledb):$PATH")


EXTENSION = "SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'"


@every_postgres
def test_each_postgresql_is_the_edition_that_it_is_said_to_be(installation: PostgresInstallation, state: Path) -> None:
    with servers.postgres(state, installations=[installation]) as server:
        version = str(one_value(server.url, "SHOW server_version")).split()[0]
        extension = one_value(server.url, EXTENSION)
        assert extension == installation.timescaledb
        with_extension = f"with TimescaleDB {extension}" if extension else "without TimescaleDB"
        assert server.edition == f"PostgreSQL {version} {with_extension}"


def test_timescaledb_calls_nobody_and_starts_nothing_of_its_own(timescaledb: PostgresInstallation, state: Path) -> None:
    with servers.postgres(state, installations=[timescaledb]) as server:
        assert one_value(server.url, "SHOW timescaledb.telemetry_level") == "off"
        workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE '%Timescale%'"
        assert one_value(server.url, workers) == 0


def test_data_made_without_timescaledb_is_as_good_once_it_is_installed(
    timescaledb: PostgresInstallation, state: Path
) -> None:
    for installed in (replace(timescaledb, timescaledb=None), timescaledb, replace(timescaledb, timescaledb=None)):
        with servers.postgres(state, installations=[installed]) as server:
            if not one_value(server.url, "SELECT to_regclass('note')::text"):
                make_note(server.url)
            assert one_value(server.url, "SELECT answer FROM note") == 42
            assert one_value(server.url, EXTENSION) is None


def test_data_made_with_timescaledb_is_refused_with_a_hint_where_it_is_missing(
    timescaledb: PostgresInstallation, state: Path
) -> None:
    with servers.postgres(state, installations=[timescaledb]) as server:
        make_note(server.url)
    with pytest.raises(UserError, match=r"tables in .* are TimescaleDB's, .*; install .*-timescaledb, or"):
        servers.postgres(state, installations=[replace(timescaledb, timescaledb=None)]).__enter__()
    with servers.postgres(state, installations=[replace(timescaledb, timescaledb=None), timescaledb]) as server:
        assert one_value(server.url, "SELECT answer FROM note") == 42


def test_another_version_of_timescaledb_takes_the_data_over(timescaledb: PostgresInstallation, state: Path) -> None:
    version_file = state / "postgres" / "data" / TIMESCALEDB_VERSION
    with servers.postgres(state, installations=[timescaledb]) as server:
        make_note(server.url)
    version_file.write_text("2.0.0")
    with servers.postgres(state, installations=[timescaledb]) as server:
        assert one_value(server.url, "SELECT answer FROM note") == 42
        assert version_file.read_text() == timescaledb.timescaledb
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("DROP EXTENSION timescaledb")
    version_file.write_text("2.0.0")
    with pytest.raises(UserError, match=r"postgres failed: .*extension \"timescaledb\" does not exist"):
        servers.postgres(state, installations=[timescaledb]).__enter__()


@pytest.mark.parametrize("pg_config", [True, False])
@pytest.mark.parametrize("libraries", ["lib", "lib/postgresql"])
def test_the_postgresql_that_has_timescaledb_among_what_it_can_load_is_preferred(
    libraries: str, pg_config: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = [tmp_path / name / libraries for name in ("plain", "extended")]
    for name, directory in zip(("plain", "extended"), directories, strict=True):
        directory.mkdir(parents=True)
        executable(tmp_path / name / "bin" / "postgres", "postgres (PostgreSQL) 17.3")
        executable(tmp_path / name / "bin" / "initdb", "")
        if pg_config:
            executable(tmp_path / name / "bin" / "pg_config", str(directory))
    for name in ("timescaledb", "timescaledb-2.9.1", "timescaledb-2.19.3", "timescaledb-tsl-2.20.0", "timescaledb-2"):
        (directories[1] / f"{name}.so").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/plain/bin:{tmp_path}/extended/bin:/bin")
    found = binaries.postgres_installations()
    assert found[0] == PostgresInstallation(tmp_path / "extended" / "bin", "17.3", timescaledb="2.19.3")
    assert PostgresInstallation(tmp_path / "plain" / "bin", "17.3") in found[1:]


def executable(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


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


def test_data_goes_to_a_postgresql_with_timescaledb_if_its_tables_are_timescaledbs(tmp_path: Path) -> None:
    plain = PostgresInstallation(Path("/plain"), "17.3")
    extended = PostgresInstallation(Path("/extended"), "17.3", timescaledb="2.19.3")
    (tmp_path / "PG_VERSION").write_text("17\n")
    assert choose_postgres([plain, extended], tmp_path) == plain
    (tmp_path / TIMESCALEDB_VERSION).write_text("2.19.3")
    assert choose_postgres([plain, extended], tmp_path) == extended


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
