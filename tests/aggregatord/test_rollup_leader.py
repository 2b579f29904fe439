from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from sysmonstm.aggregatord.migrate import migrate
from sysmonstm.aggregatord.rollup import rollup as rollup_module
from sysmonstm.aggregatord.rollup.rollup import APPLICATION, Rollup
from sysmonstm.config import UserError
from sysmonstm.ctl import servers
from tests.aggregatord.rollup_model import Sent, reset, write
from tests.aggregatord.rollup_rounds import DAY, HOUR, KEEP
from tests.editions import each_edition
from tests.shared.real_server import RealServer, until

INTERVAL = 0.1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(rollup_module, "RETRY_CAP_SECONDS", 0.5)


@pytest.fixture
def own_postgres(server_directory: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A PostgreSQL of the test's own."""
    with RealServer(servers.postgres, server_directory / tmp_path.name) as server:
        yield server


class Aggregator:
    """The roll-up's part of one, and what it was told."""

    def __init__(self, url: str) -> None:
        self.rollup = Rollup(url, INTERVAL, KEEP)
        self.forgotten: list[str] = []

    @property
    def leads(self) -> bool:
        return self.rollup.state.leads


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Aggregator]:
    """One that runs for as long as the block."""
    aggregator = Aggregator(url)
    task = asyncio.create_task(aggregator.rollup.run(aggregator.forgotten.extend))
    try:
        yield aggregator
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended, asyncio.CancelledError):
            raise ended or AssertionError("it ended by itself")


async def prepared(url: str) -> float:
    """The schema, machines, and a frame of three hours ago; the start of its minute."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
    minute = time.time() // HOUR * HOUR - 3 * HOUR
    with psycopg.connect(url) as connection:
        reset(connection, int(minute))
        write(connection, [Sent(1, 1, 1, int(minute) * 1_000_000, 1, (1.0, 2.0))])
    return minute


def rolled_up(url: str) -> list[tuple[float, int]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT extract(epoch FROM time)::float8, samples FROM minutes").fetchall()


@each_edition
async def test_one_of_two_leads_and_the_other_takes_over(database_url: str) -> None:
    minute = await prepared(database_url)
    async with running(database_url) as second:
        async with running(database_url) as first:
            await until("one leads", lambda: first.leads or second.leads)
            await until("it has rolled up", lambda: rolled_up(database_url) == [(minute, 1)])
            assert first.leads != second.leads
            # The server ends the leader's connection, and the lock with it.
            with psycopg.connect(database_url, autocommit=True) as admin:
                query = (
                    "SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                    " WHERE l.locktype = 'advisory' AND l.granted AND application_name = %s AND l.objsubid = 1"
                )
                assert admin.execute(query, (APPLICATION,)).fetchall() == [(True,)]
                await until("one leads again", lambda: bool(_leaders(admin)))
                assert len(_leaders(admin)) == 1
        await until("the one that is left leads", lambda: second.leads)
        with psycopg.connect(database_url) as connection:
            write(connection, [Sent(1, 1, 2, int(minute) * 1_000_000 + 2, 1, (1.0, 2.0))])
        await until("a late frame is counted", lambda: rolled_up(database_url) == [(minute, 2)])


def _leaders(admin: psycopg.Connection) -> list[tuple[int]]:
    query = (
        "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND application_name = %s AND l.objsubid = 1"
    )
    return admin.execute(query, (APPLICATION,)).fetchall()


async def test_every_aggregator_is_told_of_machines_that_are_forgotten_and_at_first_of_all_that_are_gone(
    database_url: str,
) -> None:
    """While no aggregator ran, nobody could take them out of Redis."""
    await prepared(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT forget_machine('web2')")
        async with running(database_url) as first, running(database_url) as second:
            both = (first, second)
            await until("both are told of the one before", lambda: all(one.forgotten == ["web2"] for one in both))
            await until("one leads", lambda: any(one.leads for one in both))
            await until("both look", lambda: all(one.rollup.state.failure is None for one in both))
            await asyncio.sleep(0.3)
            connection.execute("SELECT forget_machine('web1')")
            await until("both are told", lambda: all(len(one.forgotten) > 1 for one in both))
            await asyncio.sleep(0.3)
            assert [one.forgotten for one in both] == [["web2", "web1"], ["web2", "web1"]]
            # It is back, and whoever starts now leaves it alone.
            connection.execute(
                "INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)"
                " VALUES ('web1', '', 5, '', '{}')"
            )
        async with running(database_url) as third:
            await until("it is told of the other", lambda: bool(third.forgotten))
            assert third.forgotten == ["web2"]


async def test_a_database_that_dies_and_comes_back_is_said_once_each(
    own_postgres: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    minute = await prepared(own_postgres.url)
    caplog.set_level("INFO")
    async with running(own_postgres.url) as aggregator:
        await until("it leads", lambda: aggregator.leads)
        own_postgres.kill()
        await until("it is known to fail", lambda: aggregator.rollup.state.failure is not None)
        await asyncio.sleep(1.5)
        own_postgres.start()
        await until("it leads again", lambda: aggregator.leads)
    assert rolled_up(own_postgres.url) == [(minute, 1)]
    said = [getattr(record, "sysmon_event", "") for record in caplog.records]
    assert [event for event in said if event.startswith("rollup.")] == [
        "rollup.leads",
        "rollup.failed",
        "rollup.back",
        "rollup.leads",
    ]


async def test_a_frozen_database_holds_up_nobody_who_wants_to_stop(own_postgres: RealServer) -> None:
    await prepared(own_postgres.url)
    try:
        async with running(own_postgres.url) as aggregator:
            await until("it leads", lambda: aggregator.leads)
            own_postgres.freeze()
            # It waits for an answer by then.
            await asyncio.sleep(0.5)
            stopping = time.monotonic()
        # psycopg by itself would ask the server to stop, and wait for ten seconds.
        assert time.monotonic() - stopping < 8
    finally:
        own_postgres.thaw()


async def test_a_frozen_database_is_left_and_taken_up_again(
    own_postgres: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_module, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("sysmonstm.aggregatord.rollup.round.STEP_SECONDS", 1.0)
    await prepared(own_postgres.url)
    async with running(own_postgres.url) as aggregator:
        await until("it leads", lambda: aggregator.leads)
        own_postgres.freeze()
        try:
            await until("it is known to fail", lambda: aggregator.rollup.state.failure is not None)
        finally:
            own_postgres.thaw()
        await until("it leads again", lambda: aggregator.leads)


async def test_it_waits_for_a_schema(empty_database_url: str) -> None:
    async with running(empty_database_url) as aggregator:
        await asyncio.sleep(0.3)
        assert not aggregator.leads
        assert aggregator.rollup.state.failure is None
        minute = await prepared(empty_database_url)
        await until("it leads", lambda: aggregator.leads)
        await until("it has rolled up", lambda: rolled_up(empty_database_url) == [(minute, 1)])


async def test_a_statement_that_fails_ends_nothing_and_drops_nothing(database_url: str) -> None:
    """Without its marks nothing can be made anew, nor dropped."""
    minute = await prepared(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE dirty_minutes RENAME TO elsewhere")
        async with running(database_url) as aggregator:
            await until("it fails", lambda: "dirty_minutes" in (aggregator.rollup.state.failure or ""))
            connection.execute("ALTER TABLE elsewhere RENAME TO dirty_minutes")
            await until("it leads", lambda: aggregator.leads)
    assert rolled_up(database_url) == [(minute, 1)]


async def test_a_clock_that_is_ahead_drops_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepared(database_url)
    ahead = time.time() + 1000 * DAY
    monkeypatch.setattr("sysmonstm.aggregatord.rollup.rollup.time.time", lambda: ahead)
    async with running(database_url) as aggregator:
        await until("it leads", lambda: aggregator.leads)
    monkeypatch.undo()
    assert len(rolled_up(database_url)) == 1


async def test_an_address_that_is_none_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="TIMESCALE_URL"):
        await Rollup("host=x password=hunter2 nonsense=1", INTERVAL, KEEP).run(lambda names: None)
