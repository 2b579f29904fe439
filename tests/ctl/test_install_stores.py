"""The database of a hub, made on a real PostgreSQL of the test's own: roles, rights, and nothing on the second run."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from sysmonstm.config import UserError
from sysmonstm.ctl import binaries, servers
from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.stores import ALERTS, OWNER, READER, check_database, database_address, put_database


@contextmanager
def running(
    state: Path, monkeypatch: pytest.MonkeyPatch, installation: binaries.PostgresInstallation
) -> Iterator[Path]:
    """The directory of its socket. psql, run as PostgreSQL's account, finds it by the environment."""
    path = f"{installation.bin}:{os.environ['PATH']}"
    if os.geteuid() != 0 or not shutil.which("psql", path=path):
        pytest.skip("needs root and PostgreSQL's psql; Debian's package postgresql-client has it")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("needs the account postgres; Debian's package postgresql makes it")
    with servers.postgres(state, installations=[installation]) as server:
        directory = Path(parse_qs(urlsplit(server.url).query)["host"][0])
        for name, value in {"PGHOST": str(directory), "PGUSER": "monitor", "PATH": path}.items():
            monkeypatch.setenv(name, value)
        yield directory


@pytest.fixture
def postgres(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The preferred one; one with TimescaleDB loads it."""
    with running(state, monkeypatch, binaries.postgres_installations()[0]) as directory:
        yield directory


@pytest.fixture
def forgetful_postgres(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One that has TimescaleDB and does not load it."""
    for installation in binaries.postgres_installations():
        if installation.timescaledb:
            with running(state, monkeypatch, replace(installation, timescaledb=None)) as directory:
                yield directory
            return
    pytest.skip("no PostgreSQL with TimescaleDB; on Debian 12 and 13, as root: PATH=$(.ci/timescaledb):$PATH")


def put() -> list[str]:
    steps = Steps(say=lambda _: None)
    put_database(steps)
    return steps.taken


def connect(directory: Path, user: str, database: str = "sysmon") -> psycopg.Connection:
    return psycopg.connect(host=str(directory), user=user, dbname=database, autocommit=True)


def test_the_daemons_have_the_rights_that_they_need_and_no_more(postgres: Path) -> None:
    assert put()
    with connect(postgres, OWNER) as owner:
        owner.execute("CREATE TABLE alerts (id bigint GENERATED ALWAYS AS IDENTITY, text text)")
        owner.execute("CREATE TABLE drawn (id serial)")
    with connect(postgres, ALERTS) as alerts:
        alerts.execute("INSERT INTO alerts (text) VALUES ('one')")
        alerts.execute("INSERT INTO drawn DEFAULT VALUES")
        alerts.execute("UPDATE alerts SET text = 'two'")
        alerts.execute("DELETE FROM drawn")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            alerts.execute("DROP TABLE alerts")
    with connect(postgres, READER) as reader:
        assert reader.execute("SELECT text FROM alerts").fetchall() == [("two",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO alerts (text) VALUES ('three')")


def test_a_second_run_changes_nothing(postgres: Path) -> None:
    put()
    assert put() == []


def test_rights_that_somebody_took_are_given_again(postgres: Path) -> None:
    put()
    with connect(postgres, OWNER) as owner:
        owner.execute("CREATE TABLE alerts (text text)")
    with connect(postgres, "monitor") as admin:
        admin.execute(f'DROP OWNED BY "{ALERTS}"')
        admin.execute(f'DROP ROLE "{ALERTS}"')
    assert put()
    with connect(postgres, ALERTS) as alerts:
        alerts.execute("INSERT INTO alerts VALUES ('one')")


def test_timescaledb_is_added_where_it_is_loaded(postgres: Path) -> None:
    put()
    with connect(postgres, "monitor", "postgres") as admin:
        row = admin.execute("SHOW shared_preload_libraries").fetchone()
    with connect(postgres, "monitor") as admin:
        added = admin.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    assert (row == ("timescaledb",)) is (added == (1,))


def test_a_database_of_somebody_else_is_not_touched(postgres: Path) -> None:
    with connect(postgres, "monitor", "postgres") as admin:
        admin.execute("CREATE DATABASE sysmon")
    with pytest.raises(UserError, match="is monitor's"):
        check_database()


def test_who_else_uses_postgresql_is_not_disturbed_for_timescaledb(forgetful_postgres: Path) -> None:
    with pytest.raises(UserError, match="ALTER SYSTEM SET shared_preload_libraries = timescaledb"):
        check_database()


def test_the_address_names_the_account_and_can_be_connected_to(postgres: Path) -> None:
    put()
    address = database_address(READER)
    assert f"host={postgres} " in address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (READER,)
