"""A database that hangs, dies, restarts or is set up otherwise than one would like."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sysmonstm.aggregatord.history import commit
from sysmonstm.aggregatord.history import connection as connection_module
from sysmonstm.aggregatord.history import writer as writer_module
from sysmonstm.aggregatord.history.identities import Identities
from sysmonstm.aggregatord.history.locks import CLAIM_LOCK, CURSOR_LOCK
from sysmonstm.aggregatord.history.portion import Piece
from sysmonstm.aggregatord.session import CheckedBatch
from sysmonstm.ctl import servers
from tests.aggregatord.history_batches import batch_of, checked, session, shed
from tests.aggregatord.history_database import expected, rows, stored
from tests.aggregatord.history_recorder import Recorder, writing
from tests.aggregatord.samples import layout
from tests.editions import PLAIN, TIMESCALEDB, each_edition
from tests.shared.real_server import RealServer, until


@pytest.fixture
def own_postgres(server_directory: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A PostgreSQL of the test's own."""
    with RealServer(servers.postgres, server_directory / tmp_path.name) as server:
        yield server


@pytest.fixture
def frozen_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is noticed early."""
    monkeypatch.setattr(writer_module, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(writer_module, "COMMIT_SECONDS", 2.0)


@pytest.mark.usefixtures("frozen_soon")
async def test_a_frozen_database_holds_up_nothing_else(own_postgres: RealServer) -> None:
    first, second = checked("web1", [1]), checked("web1", [2, 3])
    async with writing(own_postgres.url) as (writer, recorder):
        writer.offer(first)
        await until("the first is settled", lambda: recorder.is_settled(first))
        assert writer.takes_more(time.monotonic())
        own_postgres.freeze()
        try:
            writer.offer(second)
            await until("it takes no more", lambda: not writer.takes_more(time.monotonic()))
            # Past the deadline of the commit: the writer gives up and comes again, and the loop is free all the while.
            turns = 0
            async with asyncio.timeout(4.5):
                while turns < 200:
                    await asyncio.sleep(0.02)
                    turns += 1
            assert not writer.takes_more(time.monotonic())
        finally:
            own_postgres.thaw()
        await until("the second is settled", lambda: recorder.is_settled(second))
        await until("it takes more", lambda: writer.takes_more(time.monotonic()))
    assert stored(own_postgres.url) == expected(first, second)


@pytest.mark.parametrize("seconds", [0.3, 3.5], ids=["while it commits", "while it connects"])
@pytest.mark.usefixtures("frozen_soon")
async def test_to_stop_it_needs_no_answer_of_the_database(own_postgres: RealServer, seconds: float) -> None:
    writer, recorder = writer_module.HistoryWriter(own_postgres.url, 0.01, 2**30), Recorder()
    running = asyncio.ensure_future(writer.run(recorder))
    await until("it is up", lambda: recorder.asked != [])
    own_postgres.freeze()
    try:
        writer.offer(checked("web1", [1]))
        await asyncio.sleep(seconds)
        assert not running.done()
        running.cancel()
        # psycopg by itself would ask the server to stop, and wait for it for ten seconds.
        done, _ = await asyncio.wait({running}, timeout=2.0)
        assert done
        assert running.cancelled()
    finally:
        own_postgres.thaw()


async def test_what_was_offered_while_backends_were_killed_is_stored_once(database_url: str) -> None:
    """Each commit may be cut anywhere, and nobody knows whether it was done."""
    rng = random.Random(11)
    machines = [session(f"web{number}") for number in range(5)]
    batches: list[CheckedBatch] = []
    with psycopg.connect(database_url, autocommit=True) as admin:
        async with writing(database_url) as (writer, recorder):
            for turn in range(60):
                for of in machines:
                    first = 10 * turn + 1
                    batches.append(batch_of(of, range(first, first + 8), gaps=[shed(first + 8, first + 9)]))
                    writer.offer(batches[-1])
                await asyncio.sleep(rng.random() * 0.05)
                if turn % 3 == 0:
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'sysmon-aggregatord' AND datname = current_database()"
                    )
            await until("all are settled", lambda: recorder.is_settled(*batches))
    assert stored(database_url) == expected(*batches)
    gaps = "SELECT count(*), sum(last_seq - first_seq + 1) FROM gaps"
    assert rows(database_url, gaps) == [(300, 600)]
    lost = "SELECT sum((fields ->> 'frames')::int) FROM events WHERE kind = 'samples.lost'"
    assert rows(database_url, lost) == [(600,)]
    assert rows(database_url, "SELECT DISTINCT durable_seq FROM streams") == [(600,)]


async def test_what_an_acknowledgement_promises_does_not_depend_on_the_server(own_postgres: RealServer) -> None:
    """Where the server's own default would lose what was committed last, this connection's does not."""
    elsewhere = make_conninfo(own_postgres.url, dbname="postgres")
    with psycopg.connect(elsewhere, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET synchronous_commit = off")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("ALTER DATABASE monitor SET synchronous_commit = off")
        admin.execute("ALTER DATABASE monitor SET default_transaction_isolation = 'serializable'")
    assert rows(own_postgres.url, "SHOW synchronous_commit") == [("off",)]
    setting = """
    CREATE TABLE seen AS SELECT ''::text AS name, ''::text AS value LIMIT 0;
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO seen SELECT name, current_setting(name)
            FROM unnest(ARRAY['synchronous_commit', 'transaction_isolation', 'lock_timeout',
                'idle_in_transaction_session_timeout']) AS name;
        RETURN NULL;
    END $$;
    CREATE TRIGGER look AFTER INSERT ON frames FOR EACH STATEMENT EXECUTE FUNCTION look()
    """
    async with writing(own_postgres.url) as (writer, recorder):
        await until("it is up", lambda: recorder.asked != [])
        with psycopg.connect(own_postgres.url) as connection:
            connection.execute(setting.encode())
        writer.offer(batch := checked("web1", [1]))
        await until("it is settled", lambda: recorder.is_settled(batch))
    assert dict(rows(own_postgres.url, "SELECT name, value FROM seen")) == {
        "synchronous_commit": "on",
        "transaction_isolation": "read committed",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
    }


async def test_an_aggregator_that_freezes_in_a_transaction_does_not_keep_its_locks(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = connection_module._SETTINGS.replace("'60s'", "'1s'")
    monkeypatch.setattr(connection_module, "_SETTINGS", settings)
    async with connection_module.connected(database_url) as frozen:
        async with frozen.cursor() as cursor:
            await cursor.execute("BEGIN")
            await cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (CLAIM_LOCK,))
        with psycopg.connect(database_url) as roll_up:
            roll_up.execute("SET lock_timeout = '30s'")
            roll_up.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))


async def test_a_lock_that_is_not_to_be_had_is_waited_for_on_the_same_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = connection_module._SETTINGS.replace("'10s'", "'100ms'")
    monkeypatch.setattr(connection_module, "_SETTINGS", settings)
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sysmon-aggregatord'"
    backends += " AND datname = current_database()"
    async with writing(database_url) as (writer, recorder):
        await until("it is up", lambda: recorder.asked != [])
        before = rows(database_url, backends)
        with psycopg.connect(database_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", (CURSOR_LOCK,))
            writer.offer(batch := checked("web1", [1]))
            await asyncio.sleep(0.35)
            assert not recorder.is_settled(batch)
            assert writer.takes_more(time.monotonic())
        await until("it is settled", lambda: recorder.is_settled(batch))
        assert rows(database_url, backends) == before


async def test_that_it_is_away_and_that_it_is_back_are_said_once(
    own_postgres: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def said() -> list[str]:
        events = (getattr(record, "sysmon_event", "") for record in caplog.records)
        return [event for event in events if event in ("database.away", "database.up")]

    batch = checked("web1", [1])
    async with writing(own_postgres.url) as (writer, recorder):
        await until("it is up", lambda: writer.takes_more(time.monotonic()))
        own_postgres.kill()
        writer.offer(batch)
        await until("it is away", lambda: not writer.takes_more(time.monotonic()))
        await asyncio.sleep(2.0)
        assert said() == ["database.up", "database.away"]
        own_postgres.start()
        await until("it is settled", lambda: recorder.is_settled(batch))
    assert said() == ["database.up", "database.away", "database.up"]


@each_edition
async def test_it_knows_which_edition_it_writes_to(database_url: str, edition: str) -> None:
    async with writing(database_url) as (writer, recorder):
        assert writer.edition is None
        await until("it is up", lambda: recorder.asked != [])
        assert writer.edition is not None
        text = str(writer.edition)
    (version,) = rows(database_url, "SELECT split_part(current_setting('server_version'), ' ', 1)")[0]
    if edition == PLAIN:
        assert text == f"plain PostgreSQL {version}"
    else:
        assert edition == TIMESCALEDB
        (extension,) = rows(database_url, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")[0]
        assert text == f"TimescaleDB {extension} Apache on PostgreSQL {version}"


async def test_the_event_loop_has_its_turn_while_rows_are_packed() -> None:
    batches = [checked(f"web{number}", range(1, 501)) for number in range(10)]
    sessions = [batch.session for batch in batches]
    identities = Identities({one.machine: 1 for one in sessions}, {one.stream: 1 for one in sessions}, {layout().id: 1})

    async def pack() -> list[bytes]:
        return [packed async for packed in commit._packed(identities, [Piece.whole(batch) for batch in batches])]

    packing, turns = asyncio.ensure_future(pack()), 0
    while not packing.done():
        await asyncio.sleep(0)
        turns += 1
    # One for each hundred rows.
    assert turns > 50
    assert len(b"".join(packing.result())) > 5000
