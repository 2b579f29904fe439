"""What the database refuses is kept apart and holds nothing else up."""

from __future__ import annotations

import asyncio
import random

import pytest

from sysmonstm.aggregatord.history import transactions
from tests.aggregatord.history_batches import batch_of, rejected_frame, session, shed
from tests.aggregatord.history_database import rows
from tests.aggregatord.history_recorder import writing
from tests.aggregatord.samples import hello, layout
from tests.editions import each_edition
from tests.shared.real_server import until

STORED = "SELECT m.name, values[1]::bigint FROM frames f JOIN machines m ON m.id = f.machine ORDER BY 1, 2"
REJECTS = (
    "SELECT m.name, seq, reason, values::float8[] FROM rejects r JOIN machines m ON m.id = r.machine ORDER BY 1, 2"
)
NO_SEVENS = "ALTER TABLE frames ADD CONSTRAINT no_sevens CHECK (values[1] <> 7)"


@each_edition
async def test_a_frame_that_the_database_refuses_is_refused_alone(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows(database_url, NO_SEVENS)
    batches = [batch_of(session(f"web{number}"), range(1, 6)) for number in range(4)]
    batches.append(batch_of(session("web2"), range(6, 8), gaps=[shed(8, 9)]))
    batches.append(batch_of(session("web3"), [7, 10], gaps=[shed(6, 6)], rejected=[rejected_frame(9, "no")]))
    async with writing(database_url) as (writer, recorder):
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
        assert (writer.refused_frames, writer.pending_frames, writer.pending_bytes) == (2, 0, 0)
    assert rows(database_url, STORED) == sorted(
        [(f"web{number}", seq) for number in range(4) for seq in range(1, 6)] + [("web2", 6), ("web3", 10)]
    )
    ((reason,),) = rows(database_url, "SELECT DISTINCT reason FROM rejects WHERE seq = 7")
    assert "no_sevens" in reason
    assert "\n" not in reason
    assert rows(database_url, REJECTS) == [
        ("web2", 7, reason, [7.0, 7.0]),
        ("web3", 7, reason, [7.0, 7.0]),
        ("web3", 9, "no", [1.0, 2.0]),
    ]
    # As their collectors are told it.
    assert [(one.frame.seq, one.reason) for one in batches[4].rejected] == [(7, reason)]
    assert [one.frame.seq for one in batches[4].frames] == [6]
    cursors = rows(database_url, "SELECT durable_seq, durable_time IS NULL FROM streams ORDER BY 1")
    assert cursors == [(5, False), (5, False), (9, True), (10, False)]
    told = [record.__dict__ for record in caplog.records if record.__dict__.get("sysmon_event") == "database.refused"]
    assert sorted(one["sysmon_fields"]["machine"] for one in told) == ["web2", "web3"]


async def test_a_random_handful_of_refused_frames_is_found(database_url: str) -> None:
    rows(database_url, "ALTER TABLE frames ADD CONSTRAINT not_so CHECK (values[2] < 0.5)")
    rng = random.Random(3)
    batches = [batch_of(session(f"web{number}"), range(1, 121)) for number in range(10)]
    bad = set()
    for batch in batches:
        for one in batch.frames:
            refused = rng.random() < 0.01
            one.frame.values[1] = float(refused)
            if refused:
                bad.add((batch.session.machine, one.frame.seq))
    async with writing(database_url) as (writer, recorder):
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
    found = {(name, seq) for name, seq, *_ in rows(database_url, REJECTS)}
    assert 0 < len(bad) == len(found)
    assert found == bad
    everything = {(f"web{number}", seq) for number in range(10) for seq in range(1, 121)}
    assert set(rows(database_url, STORED)) == everything - bad


async def test_a_layout_that_is_refused_takes_only_its_frames_along(database_url: str) -> None:
    rows(database_url, "ALTER TABLE metrics ADD CONSTRAINT no_other CHECK (name <> 'test.metric1')")
    good, bad = batch_of(session("web1"), [1, 2]), batch_of(session("web2"), [1, 2], follows=layout(1))
    async with writing(database_url) as (writer, recorder):
        writer.offer(bad)
        writer.offer(good)
        await until("both are settled", lambda: recorder.is_settled(good, bad))
    assert rows(database_url, STORED) == [("web1", 1), ("web1", 2)]
    assert rows(database_url, "SELECT seq, layout, values FROM rejects ORDER BY 1") == [(1, None, []), (2, None, [])]
    assert [one.frame.seq for one in bad.rejected] == [1, 2]


async def test_a_gap_that_is_refused_does_not_hold_its_stream_up(database_url: str) -> None:
    rows(database_url, "ALTER TABLE gaps ADD CONSTRAINT short CHECK (last_seq < 100)")
    batch = batch_of(session(), [1, 200], gaps=[shed(2, 50), shed(51, 199)])
    async with writing(database_url) as (writer, recorder):
        writer.offer(batch)
        await until("it is settled", lambda: recorder.is_settled(batch))
    assert rows(database_url, STORED) == [("web1", 1), ("web1", 200)]
    assert rows(database_url, "SELECT first_seq, last_seq FROM gaps") == [(2, 50)]
    assert rows(database_url, "SELECT durable_seq FROM streams") == [(200,)]


async def test_what_a_machine_says_of_itself_may_be_refused_without_its_samples(database_url: str) -> None:
    rows(database_url, "ALTER TABLE machines ADD CONSTRAINT no_dos CHECK (NOT facts ? 'dos')")
    batches = [batch_of(session("web1", dos="6.22"), [1]), batch_of(session("web2", os="Debian"), [1])]
    async with writing(database_url) as (writer, recorder):
        writer.hello(hello("web1", dos="6.22"))
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
        await until("the hello is answered", lambda: len(recorder.cursors) == 1)
    assert rows(database_url, STORED) == [("web1", 1), ("web2", 1)]
    assert rows(database_url, "SELECT name, facts FROM machines ORDER BY 1") == [
        ("web1", {}),
        ("web2", {"os": "Debian"}),
    ]


async def test_a_machine_that_is_refused_altogether_holds_no_other_up(database_url: str) -> None:
    rows(database_url, "ALTER TABLE machines ADD CONSTRAINT no_web1 CHECK (name <> 'web1')")
    batches = [batch_of(session("web1"), [1, 2]), batch_of(session("web2"), [1])]
    async with writing(database_url) as (writer, recorder):
        writer.hello(hello("web1"))
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
        await until("the hello is answered", lambda: len(recorder.cursors) == 1)
        assert writer.refused_frames == 2
    assert rows(database_url, STORED) == [("web2", 1)]
    assert [one.frame.seq for one in batches[0].rejected] == [1, 2]


async def test_a_schema_that_is_broken_refuses_nothing(database_url: str) -> None:
    batch = batch_of(session(), [1, 2])
    async with writing(database_url) as (writer, recorder):
        await until("it is up", lambda: recorder.asked != [])
        rows(database_url, "ALTER TABLE frames RENAME TO elsewhere")
        writer.offer(batch)
        await until("it is away", lambda: not writer.takes_more(0.0))
        await asyncio.sleep(1.0)
        # A connection alone does not show that it works again.
        assert not writer.takes_more(0.0)
        rows(database_url, "ALTER TABLE elsewhere RENAME TO frames")
        await until("it is settled", lambda: recorder.is_settled(batch))
        assert writer.takes_more(0.0)
    assert rows(database_url, STORED) == [("web1", 1), ("web1", 2)]
    assert rows(database_url, "SELECT 1 FROM rejects") == []


async def test_a_deadlock_is_tried_again_on_the_same_connection(database_url: str) -> None:
    """A trigger raises what a deadlock would, for the first few times."""
    rows(
        database_url,
        "CREATE SEQUENCE tries",
        """
        CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') < 4 THEN
                RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
            END IF;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER deadlock AFTER INSERT ON frames FOR EACH STATEMENT EXECUTE FUNCTION deadlock()",
    )
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sysmon-aggregatord'"
    backends += " AND datname = current_database()"
    async with writing(database_url) as (writer, recorder):
        await until("it is up", lambda: recorder.asked != [])
        before = rows(database_url, backends)
        writer.offer(batch := batch_of(session(), [1, 2]))
        await until("it is settled", lambda: recorder.is_settled(batch))
        assert rows(database_url, backends) == before
    assert rows(database_url, "SELECT last_value FROM tries") == [(4,)]
    assert transactions.MOST_TRIES > 4


async def test_a_machine_that_was_forgotten_meanwhile_is_a_new_one(database_url: str) -> None:
    of = session()
    first, second = batch_of(of, [1, 2]), batch_of(of, [3, 4], gaps=[shed(5, 6)], rejected=[rejected_frame(7, "no")])
    async with writing(database_url) as (writer, recorder):
        writer.skew("web1", 5.0)
        writer.offer(first)
        await until("the first is settled", lambda: recorder.is_settled(first))
        rows(database_url, "DELETE FROM machines", "DELETE FROM frames")
        writer.offer(second)
        await until("the second is settled", lambda: recorder.is_settled(second))
        third = batch_of(of, [8])
        rows(database_url, "DELETE FROM machines", "DELETE FROM frames")
        writer.skew("web1", 5.0)
        writer.offer(third)
        await until("the third is settled", lambda: recorder.is_settled(third))
        fourth = batch_of(of, [9])
        writer.skew("web1", 5.0)
        writer.offer(fourth)
        await until("the fourth is settled", lambda: recorder.is_settled(fourth))
    assert rows(database_url, STORED) == [("web1", 8), ("web1", 9)]
    assert rows(database_url, "SELECT name, skew_seconds FROM machines") == [("web1", 5.0)]
    assert [one["kind"] for one in recorder.events].count("machine.new") == 3
    assert rows(database_url, "SELECT durable_seq FROM streams") == [(9,)]
