from __future__ import annotations

import asyncio
import dataclasses
import random
import re
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysmonstm.aggregatord.history.connection import connected
from sysmonstm.aggregatord.rollup import make, minutes, sweep, tiers
from sysmonstm.aggregatord.rollup.retention import move_lines
from sysmonstm.aggregatord.rollup.round import steps, storage_of
from tests.aggregatord.rollup_model import START, WIDTHS, Sent, differences, expected, reset, stored, write
from tests.aggregatord.rollup_rounds import DAY, HOUR, KEEP, roll_up, roll_up_in_part, roll_up_until_terminated
from tests.editions import each_edition

NAN = float("nan")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """Where what is sent is written; the tables are as `reset` leaves them."""
    with psycopg.connect(database_url) as opened:
        reset(opened)
        yield opened


class Machine:
    """Gives frames of a stream their seqs; the time of each is as many microseconds past the second as its seq."""

    def __init__(self, machine: int, stream: int) -> None:
        self.machine = machine
        self.stream = stream
        self.seq = 0

    def frame(self, second: float, layout: int = 1, values: Sequence[float] | None = None) -> Sent:
        self.seq += 1
        given = tuple(values if values is not None else [float(self.seq)] * WIDTHS[layout])
        return Sent(self.machine, self.stream, self.seq, int(second) * 1_000_000 + self.seq, layout, given)


def check(connection: psycopg.Connection, sent: Sequence[Sent]) -> None:
    """Minutes and hours, as far back as they are kept, are what all that was ever sent comes to."""
    for table, step, tier in (("minutes", 60, "minute"), ("hours", HOUR, "hour")):
        row = connection.execute(
            "SELECT extract(epoch FROM greatest(kept_from, '0001-01-01Z')), extract(epoch FROM done) FROM tiers"
            " WHERE name = %s",
            (tier,),
        ).fetchone()
        assert row is not None
        want = {key: one for key, one in expected(sent, step).items() if row[0] <= key[1] < row[1]}
        assert differences(stored(connection, table), want) == []
    for table in ("dirty_minutes", "dirty_hours", "late_frames"):
        assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,), table
    connection.rollback()


READINGS = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.sampled_from([NAN, NAN, float("inf"), float("-inf"), 3.0e38, -3.0e38, 1e-40])
)
# Seconds ago: on time, late by minutes, from before raw (2 h), and from before minutes (a day).
AGES = st.one_of(
    st.integers(0, 30), st.integers(30, 900), st.integers(2 * HOUR, 23 * HOUR), st.integers(25 * HOUR, 4 * DAY)
)
FRAMES = st.lists(
    st.tuples(st.integers(0, 2), AGES, st.sampled_from([1, 2]), st.tuples(READINGS, READINGS, READINGS)),
    min_size=1,
    max_size=12,
)
ACTIONS = st.one_of(
    st.tuples(st.just("send"), FRAMES),
    st.tuples(st.just("send again"), st.integers(0, 100)),
    st.tuples(st.just("roll up"), st.integers(0, 200)),
    st.tuples(st.just("roll up in part"), st.integers(0, 12)),
    st.tuples(st.just("roll up until terminated"), st.integers(1, 4)),
)


@each_edition
@given(actions=st.lists(ACTIONS, min_size=3, max_size=14))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_whenever_and_however_often_it_is_killed(
    database_url: str, connection: psycopg.Connection, actions: list[tuple[str, object]]
) -> None:
    reset(connection)
    now = START + 7 * 60
    machines = [Machine(1, 1), Machine(1, 2), Machine(2, 3)]
    batches: list[list[Sent]] = []
    for action, argument in actions:
        now += 61
        if isinstance(argument, list):
            batches.append(
                [machines[who].frame(now - age, layout, v[: WIDTHS[layout]]) for who, age, layout, v in argument]
            )
            write(connection, batches[-1])
        elif action == "send again" and batches:
            write(connection, batches[int(str(argument)) % len(batches)])
        elif action == "roll up":
            now += 60 * int(str(argument))
            asyncio.run(roll_up(database_url, now))
        elif action == "roll up in part":
            asyncio.run(roll_up_in_part(database_url, now, int(str(argument))))
        elif action == "roll up until terminated":
            asyncio.run(roll_up_until_terminated(database_url, now, int(str(argument))))
    asyncio.run(roll_up(database_url, now + 2 * HOUR))
    check(connection, [frame for batch in batches for frame in batch])


@each_edition
async def test_a_frame_that_is_committed_while_its_minute_is_made_is_counted(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was written after the minute was claimed: the mark has it made once more."""
    web1 = Machine(1, 1)
    sent = [web1.frame(START + 1), web1.frame(START + 30)]
    write(connection, sent)
    original = minutes.make_new_minutes

    async def meanwhile(rolling: psycopg.AsyncConnection) -> bool:
        late_one = web1.frame(START + 40)
        sent.append(late_one)
        write(connection, [late_one])
        return await original(rolling)

    monkeypatch.setattr("sysmonstm.aggregatord.rollup.round.make_new_minutes", meanwhile)
    await roll_up(database_url, START + 61 + 10)
    monkeypatch.undo()
    await roll_up(database_url, START + HOUR + 60)
    check(connection, sent)


@each_edition
async def test_a_frame_that_is_committed_while_its_minute_is_made_anew_is_counted_by_the_next_round(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    web1 = Machine(1, 1)
    await roll_up(database_url, START + 600)
    sent = [web1.frame(START + 1)]
    write(connection, sent)
    original = make.make_rows

    async def meanwhile(rolling: psycopg.AsyncConnection, recipe: make.Recipe, spans: make.Spans) -> int:
        made = await original(rolling, recipe, spans)
        late_one = web1.frame(START + 2)
        sent.append(late_one)
        write(connection, [late_one])
        return made

    monkeypatch.setattr(minutes, "make_rows", meanwhile)
    await roll_up(database_url, START + 601)
    monkeypatch.undo()
    assert len(sent) == 2
    await roll_up(database_url, START + HOUR + 60)
    check(connection, sent)


@each_edition
async def test_writers_that_never_pause_and_rounds_that_never_pause_lose_and_double_nothing(
    database_url: str, connection: psycopg.Connection
) -> None:
    """Two writers at once, with frames of every age, while raw's line moves on."""
    rng, now = random.Random(4), START + 3 * HOUR
    batches = {
        stream: [
            [one.frame(now + turn * 60 - rng.choice((0, 70, 600, HOUR, 3 * HOUR, DAY + HOUR))) for _ in range(5)]
            for turn in range(400)
        ]
        for stream, one in ((1, Machine(1, 1)), (3, Machine(2, 3)))
    }

    def send(stream: int) -> None:
        with psycopg.connect(database_url) as writing:
            for turn, batch in enumerate(batches[stream]):
                write(writing, batch)
                if turn % 7 == 0:
                    write(writing, batches[stream][turn // 2])

    senders = [asyncio.create_task(asyncio.to_thread(send, stream)) for stream in batches]
    rounds = 0
    while not all(sender.done() for sender in senders):
        await roll_up(database_url, now + rounds * 60)
        rounds += 1
    await asyncio.gather(*senders)
    assert rounds > 5
    await roll_up(database_url, now + max(rounds, 400) * 60 + 2 * HOUR)
    check(connection, [frame for ours in batches.values() for batch in ours for frame in batch])


@each_edition
async def test_a_claim_waits_for_who_writes_and_is_put_off_if_that_takes_long(
    database_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    web1 = Machine(1, 1)
    open_frame, early = web1.frame(START + 5), web1.frame(START + 6)
    with psycopg.connect(database_url) as slow:
        write(slow, [open_frame], commit=False)
        await roll_up(database_url, START + HOUR)
        assert "a writer's transaction takes long" in caplog.text
        assert connection.execute("SELECT count(*) FROM minutes").fetchone() == (0,)
        connection.rollback()
        rolling = asyncio.create_task(roll_up(database_url, START + 2 * HOUR + 60))
        await asyncio.sleep(0.5)
        slow.commit()
        await rolling
    write(connection, [early])
    await roll_up(database_url, START + 2 * HOUR + 120)
    check(connection, [open_frame, early])


@each_edition
async def test_the_line_of_raw_waits_for_who_writes_before_it_and_is_put_off_if_that_takes_long(
    database_url: str,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The writer's mark cannot be seen yet; once raw no longer has the minute's time, nobody would heed it."""
    monkeypatch.setattr(tiers, "CLAIM_WAIT", "200ms")
    web1, now = Machine(1, 1), START + 6 * HOUR
    early, open_frame = web1.frame(START + 61), web1.frame(START + 90)
    write(connection, [early])
    await roll_up(database_url, now, dataclasses.replace(KEEP, raw=7 * HOUR))
    with psycopg.connect(database_url) as slow:
        write(slow, [open_frame], commit=False)
        async with connected(database_url) as rolling:
            before = await tiers.read_tiers(rolling)
            await move_lines(rolling, KEEP, now)
            assert await tiers.read_tiers(rolling) == before
        assert "nothing is dropped from raw" in caplog.text
        slow.commit()
    await roll_up(database_url, now)
    assert sum(row.samples for row in stored(connection, "minutes").values()) == 2
    check(connection, [early, open_frame])


@each_edition
async def test_layouts_that_change_within_a_minute_and_streams_side_by_side_have_rows_of_their_own(
    database_url: str, connection: psycopg.Connection
) -> None:
    one, other, second = Machine(1, 1), Machine(1, 2), Machine(2, 3)
    sent = [one.frame(START + 1), one.frame(START + 2, layout=2), one.frame(START + 3), other.frame(START + 1)]
    sent += [second.frame(START + 59, layout=2, values=[1.0, NAN, NAN]), second.frame(START + 60)]
    write(connection, sent)
    await roll_up(database_url, START + HOUR + 60)
    assert len(stored(connection, "minutes")) == 5
    assert len(stored(connection, "hours")) == 5
    check(connection, sent)


@each_edition
async def test_three_days_are_caught_up_with_in_slices(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a year in which nobody sent anything takes no time."""
    rng, machines = random.Random(1), [Machine(1, 1), Machine(2, 3)]
    sent = [
        one.frame(START + second, values=[rng.random(), rng.random()])
        for one in machines
        for second in range(0, 3 * DAY, 600)
    ]
    year = START + 365 * DAY
    sent += [machines[0].frame(year + 5)]
    write(connection, sent)
    slices, original = [], make.every_machine

    def every_machine(lowest: int, highest: int) -> make.Spans:
        slices.append(highest - lowest)
        return original(lowest, highest)

    monkeypatch.setattr(minutes, "every_machine", every_machine)
    keep = dataclasses.replace(KEEP, raw=400 * DAY, minutes=500 * DAY, hours=600 * DAY)
    await roll_up(database_url, year + HOUR + 60, keep)
    assert max(slices) <= minutes.SLICE_SECONDS
    assert 288 <= len(slices) < 310
    check(connection, sent)


@each_edition
async def test_many_marks_and_late_frames_are_worked_off_in_batches(
    database_url: str, connection: psycopg.Connection
) -> None:
    web1 = Machine(1, 1)
    await roll_up(database_url, START + 6 * HOUR)
    sent = [web1.frame(START + second) for second in range(0, 6 * HOUR, 7)]
    # Raw is kept from 4 h on: two thirds of them are late frames.
    write(connection, sent)
    await roll_up(database_url, START + 7 * HOUR + 60)
    check(connection, sent)


@each_edition
async def test_a_machine_may_put_as_many_frames_into_a_minute_as_it_likes(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "PORTION_BYTES", 200)
    monkeypatch.setattr(make, "FIRST_ROWS", 1)
    rng, web1, web2 = random.Random(2), Machine(1, 1), Machine(2, 3)
    count = 2 * make.FRAMES_IN_PART + 50
    sent = [web1.frame(START + 10, values=[rng.random(), NAN if n % 3 else rng.random()]) for n in range(count)]
    sent += [web1.frame(START + 70) for n in range(make.FRAMES_IN_PART)]
    sent += [web2.frame(START + 10)]
    write(connection, sent)
    await roll_up(database_url, START + HOUR + 60)
    check(connection, sent)
    assert max(row.samples for row in stored(connection, "minutes").values()) == count


@each_edition
async def test_values_that_are_no_plain_array_cost_their_own_minute_only(
    database_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    web1 = Machine(1, 1)
    sent = [web1.frame(START + 70)]
    write(connection, sent)
    connection.execute("INSERT INTO frames VALUES (to_timestamp(%s), 1, 1, 1, '{1, NULL}')", (START + 5,))
    connection.commit()
    await roll_up(database_url, START + HOUR + 60)
    assert [record.getMessage() for record in caplog.records if "no plain arrays" in record.getMessage()] != []
    check(connection, sent)


@each_edition
async def test_frames_from_before_every_tier_are_counted_nowhere_and_said(
    database_url: str, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    web1 = Machine(1, 1)
    await roll_up(database_url, START + 40 * DAY)
    write(connection, [web1.frame(START)])
    await roll_up(database_url, START + 40 * DAY + 60)
    assert "older than what any tier keeps" in caplog.text
    check(connection, [])


@each_edition
async def test_what_deletes_rows_of_a_tier_is_never_prepared(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan of a prepared statement may have no constants; TimescaleDB would unpack all that is compressed."""
    monkeypatch.setitem(sweep.WINDOW_SECONDS, "minutes", HOUR)
    web1, now = Machine(1, 1), START + DAY
    async with connected(database_url) as rolling:
        storage = await storage_of(rolling)
        for _ in range(10):
            now += HOUR
            for step in steps(KEEP, storage, now):
                while await step(rolling):
                    pass
            # Of a minute that is made already, and of one that raw no longer has.
            write(connection, [web1.frame(now - 30 * 60), web1.frame(now - 5 * HOUR)])
        while await sweep.delete_from_tier(rolling, "minutes", now, machine=1):
            pass
        cursor = await rolling.execute("SELECT statement FROM pg_prepared_statements")
        prepared = [row[0] for row in await cursor.fetchall()]
    assert any("DELETE FROM dirty_minutes" in statement for statement in prepared)
    assert [one for one in prepared if re.search(r'DELETE FROM "?(frames|minutes|hours)\b', one)] == []


FILLED = """
INSERT INTO frames
SELECT to_timestamp(%s + hour * 3600 + second), machine, machine, 1, '{1,2}'
FROM generate_series(0, 47, 8) AS hour, generate_series(0, 3599, 10) AS second, generate_series(1, 40) AS machine
"""


@each_edition
def test_a_minute_is_found_by_its_key_in_its_chunk(connection: psycopg.Connection, edition: str) -> None:
    """No scan of a table or a chunk, with statistics or without."""
    connection.execute(FILLED, (START,))
    connection.execute("ANALYZE machines")
    spans = make.every_machine(START + DAY, START + DAY + 60)
    text = make.MINUTES.query.format(spans=spans.source, most=100).as_bytes(connection)
    for _ in range(2):
        rows = connection.execute(b"EXPLAIN (COSTS OFF) " + text, spans.arguments).fetchall()
        plan = "\n".join(row[0] for row in rows)
        # The list of machines is read from one end to the other.
        assert plan.count("Seq Scan") == plan.count("Seq Scan on machines"), plan
        assert "identity" in plan
        if edition == "timescaledb":
            assert len(set(re.findall(r"_hyper_\d+_\d+_chunk\b", plan))) == 1, plan
        connection.execute("ANALYZE")
