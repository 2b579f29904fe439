from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sysmonstm.aggregatord.history import writer as writer_module
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.config import UserError
from sysmonstm.ctl import servers
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.aggregatord.history_batches import checked
from tests.aggregatord.history_database import expected, stored
from tests.aggregatord.history_recorder import Recorder, writing
from tests.aggregatord.samples import hello, layout
from tests.shared.real_server import RealServer, until


@pytest.fixture
def own_postgres(server_directory: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A PostgreSQL of the test's own."""
    state = server_directory / tmp_path.name
    with RealServer(servers.postgres, state) as server:
        yield server


async def test_a_batch_is_settled_only_when_others_can_see_its_rows(database_url: str) -> None:
    seen: list[list[tuple[str, int]]] = []

    class Looking(Recorder):
        def settled(self, batch: CheckedBatch) -> None:
            seen.append(stored(database_url))
            super().settled(batch)

    writer, recorder = writer_module.HistoryWriter(database_url, 0.01, 2**30), Looking()
    batches = [checked("web1", [1, 2]), checked("web2", [1])]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(recorder))
        for batch in batches:
            writer.offer(batch)
            await until("it is settled", lambda batch=batch: recorder.is_settled(batch))
        running.cancel()
    assert seen == [expected(batches[0]), expected(*batches)]
    assert (writer.pending_frames, writer.committed_frames) == (0, 3)


async def test_a_batch_that_comes_twice_is_stored_once(database_url: str) -> None:
    first, again = checked("web1", [1, 2]), checked("web1", [1, 2, 3])
    async with writing(database_url) as (writer, recorder):
        writer.offer(first)
        await until("the first is settled", lambda: recorder.is_settled(first))
        writer.offer(again)
        writer.offer(checked("web1", [2]))
        await until("all are settled", lambda: len(recorder.settled_batches) == 3)
    assert stored(database_url) == expected(again)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT durable_seq FROM streams").fetchall() == [(3,)]


async def test_rows_carry_the_names_of_their_series(database_url: str) -> None:
    metric = Metric("filesystem.percent", "percent", Kind.GAUGE, "Space used", "mount")
    of = Layout((Series(metric, "/"), Series(metric, "/nix/store"), Series(layout().series[0].metric, "x")))
    async with writing(database_url) as (writer, recorder):
        writer.offer(batch := checked("web1", [7], of))
        await until("it is settled", lambda: recorder.is_settled(batch))
    query = """
    SELECT m.name, m.unit, m.kind, m.help, m.instance_label, s.instance, f.values[s.position]
    FROM frames f JOIN series s USING (layout) JOIN metrics m ON m.id = s.metric ORDER BY s.position
    """
    with psycopg.connect(database_url) as connection:
        assert connection.execute(query).fetchall() == [
            ("filesystem.percent", "percent", "gauge", "Space used", "mount", "/", 7.0),
            ("filesystem.percent", "percent", "gauge", "Space used", "mount", "/nix/store", 7.0),
            ("test.metric0", "count", "gauge", "A test's", "instance", "x", 7.0),
        ]


async def test_a_new_machine_is_an_event_once(database_url: str) -> None:
    async with writing(database_url) as (writer, recorder):
        writer.hello(hello("web1"))
        await until("the event is told", lambda: len(recorder.events) == 1)
        writer.hello(hello("web1", os="Debian 13"))
        writer.offer(batch := checked("web1", [1]))
        await until("it is settled", lambda: recorder.is_settled(batch))
    async with writing(database_url) as (writer, again):
        writer.hello(hello("web1"))
        writer.offer(batch := checked("web1", [2]))
        await until("it is settled", lambda: again.is_settled(batch))
    with psycopg.connect(database_url) as connection:
        query = "SELECT id, extract(epoch FROM time)::float8, kind, severity, machine, message, fields FROM events"
        rows = connection.execute(query).fetchall()
    (event,) = recorder.events + again.events
    assert rows == [tuple(event.values())]
    assert event["kind"] == "machine.new"
    assert event["machine"] == "web1"


async def test_the_newest_hello_is_kept(database_url: str) -> None:
    async with writing(database_url) as (writer, recorder):
        for version in ("Debian 12", "Debian 13"):
            writer.hello(hello("web1", os=version))
        await until("the event is told", lambda: len(recorder.events) == 1)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT facts FROM machines").fetchall() == [({"os": "Debian 13"},)]


async def test_what_was_offered_while_the_database_died_is_stored_once(own_postgres: RealServer) -> None:
    """Nobody says hello or offers anything anew: what is there already must do."""
    batches: list[CheckedBatch] = []
    async with writing(own_postgres.url) as (writer, recorder):

        def offer(turns: range) -> None:
            for turn in turns:
                for machine in ("web1", "web2"):
                    batches.append(checked(machine, [2 * turn + 1, 2 * turn + 2]))
                    writer.offer(batches[-1])

        offer(range(20))
        await until("some are settled", lambda: len(recorder.settled_batches) > 5)
        offer(range(20, 40))
        await asyncio.sleep(0.01)
        own_postgres.kill()
        offer(range(40, 60))
        await until("it is known to be away", lambda: not writer.takes_more(time.monotonic()))
        own_postgres.start()
        await until("all are settled", lambda: recorder.is_settled(*batches))
        assert writer.takes_more(time.monotonic())
        assert writer.pending_frames == 0
    assert stored(own_postgres.url) == expected(*batches)
    assert [id(batch) for batch in recorder.settled_batches] == [id(batch) for batch in batches]
    assert len(recorder.events) == 2


async def test_an_empty_database_after_a_restart_gets_names_anew(own_postgres: RealServer) -> None:
    first, second = checked("web1", [1]), checked("web1", [2])
    async with writing(own_postgres.url) as (writer, recorder):
        writer.offer(first)
        await until("the first is settled", lambda: recorder.is_settled(first))
        elsewhere = make_conninfo(own_postgres.url, dbname="postgres")
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute("DROP DATABASE monitor WITH (FORCE)")
            connection.execute("CREATE DATABASE monitor")
        writer.offer(second)
        await until("the second is settled", lambda: recorder.is_settled(second))
    assert stored(own_postgres.url) == [("web1", 2)]


async def test_a_database_that_is_shut_down_and_refuses_connections_is_away_only(own_postgres: RealServer) -> None:
    """Its connections ended, new ones refused, transactions read-only as on a standby: all of it passes."""
    batches = [checked("web1", [1])]
    async with writing(own_postgres.url) as (writer, recorder):
        writer.offer(batches[-1])
        await until("the first is settled", lambda: recorder.is_settled(*batches))
        with psycopg.connect(make_conninfo(own_postgres.url, dbname="postgres"), autocommit=True) as admin:
            for trouble, end in (
                ("ALTER DATABASE monitor ALLOW_CONNECTIONS false", "ALTER DATABASE monitor ALLOW_CONNECTIONS true"),
                (
                    "ALTER DATABASE monitor SET default_transaction_read_only = on",
                    "ALTER DATABASE monitor RESET default_transaction_read_only",
                ),
            ):
                admin.execute(trouble.encode())
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'monitor'")
                batches.append(checked("web1", [batches[-1].last_seq + 1]))
                writer.offer(batches[-1])
                await until("it is away", lambda: not writer.takes_more(time.monotonic()))
                admin.execute(end.encode())
                await until("it is settled", lambda: recorder.is_settled(*batches))
    assert stored(own_postgres.url) == expected(*batches)


async def test_it_takes_no_more_than_it_may_keep(database_url: str) -> None:
    batches = [checked("web1", [1, 2]), checked("web1", [3])]
    async with writing(database_url, most_bytes=batches[0].size_bytes + 1) as (writer, recorder):
        await until("the database is up", lambda: writer.takes_more(time.monotonic()))
        for batch in batches:
            assert writer.takes_more(time.monotonic())
            writer.offer(batch)
        assert not writer.takes_more(time.monotonic())
        await until("all are settled", lambda: recorder.is_settled(*batches))
        assert writer.takes_more(time.monotonic())


async def test_the_frames_of_a_batch_that_were_all_rejected_are_settled_too(database_url: str) -> None:
    batch = checked("web1", [5])
    batch.frames.clear()
    async with writing(database_url) as (writer, recorder):
        writer.offer(batch)
        await until("it is settled", lambda: recorder.is_settled(batch))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT durable_seq FROM streams").fetchall() == [(5,)]


@pytest.mark.parametrize("url", ["nonsense", "host=x password=hunter2 nonsense=1"])
async def test_an_address_that_is_none_is_the_users_to_mend(url: str) -> None:
    with pytest.raises(UserError, match="TIMESCALE_URL") as error:
        await writer_module.HistoryWriter(url, 0.01, 2**30).run(Recorder())
    assert "hunter2" not in str(error.value)


async def test_a_schema_that_does_not_fit_ends_the_writer_with_one_line(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', '')")
    with pytest.raises(UserError, match="run a newer one"):
        await writer_module.HistoryWriter(database_url, 0.01, 2**30).run(Recorder())
