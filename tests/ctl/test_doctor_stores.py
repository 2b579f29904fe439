"""What the doctor makes of a PostgreSQL and a Redis: by tables, and of real ones that are not as they should be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from sysmonstm.ctl import servers
from sysmonstm.ctl.doctor import database, redis_server
from sysmonstm.ctl.doctor.database_facts import RIGHTS, facts
from sysmonstm.ctl.doctor.disk import MIB
from sysmonstm.ctl.doctor.finding import Verdict
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.ctl.doctor.units import Unit
from tests.ctl.judging import FAIL, OK, UNSEEN, WARN, judged

FACTS: dict[str, object] = {
    "server": "17.2 (Debian 17.2-1)", "license": "apache", "timescaledb": "2.19.3", "read_only": False,
    "synchronous_commit": "on", "fsync": "on", "has_schema": True, "bytes": 1, "may_create": True,
    "account": "sysmon-aggregatord", "directory": None, "schema": 5, "lacks": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        (FACTS, OK, ["TimescaleDB 2.19.3, Apache edition, on PostgreSQL 17.2, schema 0005"]),
        (FACTS | {"timescaledb": None, "license": None}, OK, ["PostgreSQL 17.2 without TimescaleDB"]),
        (FACTS | {"schema": None}, FAIL, ["no tables yet", "restart sysmon-aggregatord"]),
        (FACTS | {"schema": 4}, FAIL, ["has schema 0004", "needs 0005", "restart sysmon-aggregatord"]),
        (FACTS | {"schema": 6}, FAIL, ["of a newer version", "pip install --upgrade"]),
        (FACTS | {"read_only": True}, FAIL, ["standby"]),
        (FACTS | {"synchronous_commit": "off"}, WARN, ["synchronous_commit is off", "ALTER SYSTEM SET"]),
        (FACTS | {"fsync": "off"}, WARN, ["fsync is off"]),
        (FACTS | {"lacks": ["frames INSERT"]}, FAIL, ["lacks rights on tables: frames INSERT", "sysmonctl install"]),
        (FACTS | {"may_create": False}, FAIL, ["may make no tables"]),
        ({"error": "connection refused"}, FAIL, ["cannot use the database: connection refused", "look at it"]),
        ({"error": 'FATAL: Peer authentication failed for user "x"'}, UNSEEN, ["as root"]),
        (None, UNSEEN, ["as root"]),
    ],
)
def test_the_database(facts: Mapping[str, object] | None, verdict: Verdict, words: list[str]) -> None:
    judged(database.judge("aggregatord", facts, 5, "look at it", asked_as_it=False), verdict, *words)


def test_whom_the_database_does_not_know_is_a_fault_where_it_was_asked_as_the_daemon() -> None:
    facts = {"error": 'FATAL: Peer authentication failed for user "sysmon-alertd"'}
    judged(database.judge("alertd", facts, 5, "look at it", asked_as_it=True), FAIL, "alertd cannot use the database")


INFO: dict[str, object] = {
    "redis_version": "7.0.15", "role": "master", "loading": 0, "rdb_last_bgsave_status": "ok", "maxmemory": 0,
    "used_memory": 100 * MIB, "maxmemory_policy": "noeviction",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({}, OK, ["Redis 7.0.15"]),
        ({"redis_version": "5.0.14"}, WARN, ["Redis 5.0.14 is older"]),
        ({"role": "slave"}, FAIL, ["replica"]),
        ({"loading": 1}, WARN, ["still reading"]),
        ({"rdb_last_bgsave_status": "err", "rdb_changes_since_last_save": 3}, WARN, ["could not save"]),
        ({"maxmemory": 200 * MIB, "maxmemory_policy": "allkeys-lru"}, WARN, ["allkeys-lru", "noeviction"]),
        ({"maxmemory": 200 * MIB, "maxmemory_policy": "volatile-lru"}, OK, []),
        ({"maxmemory": 105 * MIB}, WARN, ["100 of its 105 MiB"]),
        ({"maxmemory_policy": "allkeys-lru"}, OK, []),
    ],
)
def test_redis(changed: dict[str, object], verdict: Verdict, words: list[str]) -> None:
    judged(redis_server.judge(INFO | changed), verdict, *words)


def found_in(address: str, daemon: str = "aggregatord") -> tuple[Verdict, str]:
    # The servers of tests need not outlive a crash.
    asked = facts(address, daemon) | {"fsync": "on"}
    found = database.judge(daemon, asked, database.newest_schema(), "look", asked_as_it=True)
    return found[0].verdict, " ".join(one.sentence for one in found)


@pytest.mark.parametrize("daemon", RIGHTS)
def test_a_real_database_that_is_as_it_should_be(database_url: str, daemon: str) -> None:
    verdict, said = found_in(database_url, daemon)
    assert (verdict, "PostgreSQL" in said) == (OK, True)


def test_a_real_database_without_tables_and_one_that_is_not_there(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE schema_migrations")
    verdict, said = found_in(database_url)
    assert (verdict, said) == (FAIL, "the database has no tables yet; sysmon-aggregatord makes them as it starts")
    verdict, said = found_in(make_conninfo(database_url, dbname="nowhere"))
    assert verdict is FAIL
    assert 'database "nowhere" does not exist' in said


def test_an_account_without_rights_is_told_what_it_lacks(database_url: str) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(role)))
        try:
            as_reader = make_conninfo(database_url, user=role)
            assert found_in(as_reader, "gatewayd")[0] is OK
            verdict, said = found_in(as_reader, "alertd")
            assert verdict is FAIL
            assert "alert_states INSERT, events INSERT, notifications UPDATE" in said
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_a_service_that_does_not_run_has_no_account_to_ask_the_database_as() -> None:
    stopped = Unit.of("sysmon-gatewayd.service", {"LoadState": "loaded", "ActiveState": "inactive"})
    assert database.check(Place((Daemon("gatewayd", service=stopped),), "", root=True)) == []


def test_what_a_credential_may_say_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "aggregatord.toml").write_text('redis_url = "redis://127.0.0.1:1"\ntimescale_url = "host=/nowhere"\n')
    running = Unit.of("sysmon-aggregatord.service", {"LoadState": "loaded", "ActiveState": "active"})
    place = Place((Daemon("aggregatord", pid=1, service=running),), "", settings=tmp_path)
    assert place.text("aggregatord", "redis_url") == "redis://127.0.0.1:1"
    (tmp_path / "credentials" / "redis_url").write_text("redis://127.0.0.2:2\n")
    assert place.text("aggregatord", "redis_url") == "redis://127.0.0.2:2"
    # Root may enter every directory: the answer of somebody who may not is put in.
    monkeypatch.setattr("os.access", lambda *_: False)
    judged(redis_server.check(place), UNSEEN, "as root")
    judged(database.check(place), UNSEEN, "as root")


def test_a_real_redis_that_forgets_what_it_holds_and_one_that_has_stopped(
    server_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "SECONDS", 0.5)
    with servers.redis(server_directory / "doctor") as server, Redis.from_url(server.url) as client:
        place = Place((Daemon("aggregatord", 1, {"REDIS_URL": server.url}),), "", state=Path("/state"))
        judged(redis_server.check(place), OK)
        client.config_set("maxmemory", 100 * MIB)
        client.config_set("maxmemory-policy", "allkeys-lfu")
        judged(redis_server.check(place), WARN, "allkeys-lfu")
        client.config_set("requirepass", "secret")
        judged(redis_server.check(place), UNSEEN, "password")
        client.config_set("requirepass", "")
    judged(redis_server.check(place), FAIL, "does not answer", "tail /state/logs/redis.log")
