"""history() and history_tiers() against plain counting, over tiers, buckets, streams and instances."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.editions import each_edition
from tests.gatewayd.fleet_publisher import CORE, LAYOUT, HistoryWriter
from tests.people.kept_history import (
    HOURS,
    START,
    Bucket,
    Kept,
    Question,
    counted,
    moment,
    tier_at,
    write,
)

STEPS = (1, 7, 20, 45, 60, 90, 120, 300, 3600, 7200, 10_000, 86_400)
EDGES = [START + 3600 * hours for hours in (0, 2, 4, 6, 7.5, 8)]


def _question(chance: random.Random, kept: Kept) -> Question:
    # Often at an edge of a tier, or next to one.
    near = [edge + shift for edge in EDGES for shift in (0, 0, -1, 1, -0.000001, 1799.5)]
    start, end = sorted(
        chance.choice(near) if chance.random() < 0.5 else round(START + chance.uniform(-600, HOURS * 3600 + 600), 3)
        for _ in range(2)
    )
    metric, instances = chance.choice([("cpu.percent", [""]), ("filesystem.percent", ["/", "/srv", "none"])])
    return Question(
        metric,
        start,
        max(end, start + 0.001),
        chance.choice(STEPS),
        chance.choice([None, None, *instances]),
        chance.choice([None, None, *kept.streams]),
    )


def _answer(connection: psycopg.Connection, kept: Kept, asked: Question) -> dict[tuple[float, str], Bucket]:
    rows = connection.execute(
        "SELECT time, instance, min, mean, max, count FROM history(%s, %s, %s, %s, %s, instance => %s, stream => %s)",
        (
            kept.machine,
            asked.metric,
            moment(asked.start),
            moment(asked.end),
            timedelta(seconds=asked.step),
            asked.instance,
            kept.streams[asked.stream] if asked.stream else None,
        ),
    ).fetchall()
    return {(time.timestamp(), instance): _bucket(found, count) for time, instance, *found, count in rows}


def _bucket(found: list[float | None], count: int) -> Bucket:
    low, mean, high = (math.nan if one is None else one for one in found)
    return Bucket(low, mean, high, count)


@each_edition
@pytest.mark.parametrize("seed", [1, 2])
def test_it_answers_what_plain_counting_does(database_url: str, connection: psycopg.Connection, seed: int) -> None:
    kept, chance = write(database_url, seed), random.Random(seed)
    answered = 0
    for _ in range(150):
        asked = _question(chance, kept)
        expected, answer = counted(kept, asked), _answer(connection, kept, asked)
        assert answer.keys() == expected.keys(), asked
        for key, bucket in expected.items():
            assert answer[key] == pytest.approx(bucket, rel=1e-5, nan_ok=True), (asked, key)
        answered += len(answer)
    assert answered > 1000


@pytest.mark.parametrize("step", STEPS)
def test_the_tiers_of_a_range_neither_overlap_nor_leave_anything_out(
    database_url: str, connection: psycopg.Connection, step: int
) -> None:
    write(database_url, 1)
    chance = random.Random(step)
    for _ in range(30):
        start, end = sorted(chance.choice(EDGES) + chance.choice([0, -0.5, 0.5, 700]) for _ in range(2))
        rows = connection.execute(
            "SELECT * FROM history_tiers(%s, %s, %s)", (moment(start), moment(end), timedelta(seconds=step))
        ).fetchall()
        edges = [row[1].timestamp() for row in rows] + [end]
        assert edges[0] == start
        assert [row[2].timestamp() for row in rows] == edges[1:]
        for tier, first, last in rows:
            for time in (first, last - timedelta(microseconds=1)):
                assert tier == tier_at(time.timestamp(), step)


def test_before_anything_is_rolled_up_all_is_raw(connection: psycopg.Connection) -> None:
    rows = connection.execute("SELECT tier FROM history_tiers(now(), now() + '1 year', '1 day')").fetchall()
    assert rows == [("raw",)]


def _at(row: tuple[object, ...] | None) -> object:
    assert row is not None
    return row[0]


def test_buckets_are_counted_from_the_origin(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START + 100, [1, 2, 3, 4])
    row = connection.execute(
        "SELECT time FROM history('web1', 'cpu.percent', %s, %s, '1 minute', origin => %s)",
        (moment(START), moment(START + 200), moment(START + 10)),
    ).fetchone()
    assert _at(row) == moment(START + 70)


@pytest.mark.parametrize("step", ["1y", "1d", "500ms", "30s", "15m", "2h"])
def test_it_takes_the_intervals_that_grafana_writes(
    writer: HistoryWriter, connection: psycopg.Connection, step: str
) -> None:
    writer.frame(writer.machine("web1"), writer.layout(LAYOUT), START, [1, 2, 3, 4])
    rows = connection.execute(
        "SELECT time, instance AS metric, mean FROM history('web1', 'cpu.core_percent', '2023-11-14T00:00:00Z',"
        f" '2023-11-16T00:00:00Z', '{step}')".encode()
    ).fetchall()
    assert [row[1:] for row in rows] == [("0", 2.0), ("1", 3.0)]
    assert isinstance(rows[0][0], datetime)


HOSTILE = "'; DROP TABLE frames; --"


def test_words_that_look_like_sql_are_only_words(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT * FROM history(%s, %s, now() - '1 day'::interval, now(), '1 hour', %s)", (HOSTILE, HOSTILE, HOSTILE)
    ).fetchall()
    assert rows == []
    assert connection.execute("SELECT forget_machine(%s)", (HOSTILE,)).fetchone() == (False,)
    assert connection.execute("SELECT count(*) FROM frames").fetchone() == (0,)


def test_a_step_of_nothing_is_refused(database_url: str, connection: psycopg.Connection) -> None:
    write(database_url, 1)
    with pytest.raises(psycopg.DataError):
        connection.execute(
            "SELECT * FROM history('web1', 'cpu.percent', %s, %s, '0')", (moment(START), moment(EDGES[5]))
        )


def test_arrays_that_lie_out_of_line_are_read_as_well(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    machine, layout = writer.machine("wide"), writer.layout(LAYOUT)
    connection.execute(
        "INSERT INTO series SELECT %s, number, (SELECT id FROM metrics WHERE name = %s), number::text"
        " FROM generate_series(5, 3000) AS number",
        (layout, CORE.name),
    )
    stream, _ = writer.stream(machine)
    writer.frame(machine, layout, START, list(range(1, 3001)), stream)
    rows = connection.execute(
        "SELECT instance, mean FROM history('wide', 'cpu.core_percent', %s, %s, '1 minute') ORDER BY mean",
        (moment(START), moment(START + 1)),
    ).fetchall()
    assert rows == [("0", 2.0), ("1", 3.0), *((str(number), float(number)) for number in range(5, 3001))]


@each_edition
def test_a_plan_touches_only_the_tables_of_the_tiers_that_tell_of_the_range(
    database_url: str, connection: psycopg.Connection
) -> None:
    write(database_url, 1)
    plans: list[str] = []
    connection.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
    connection.execute("LOAD 'auto_explain'")
    for setting in ("auto_explain.log_nested_statements = on", "auto_explain.log_min_duration = 0"):
        connection.execute(f"SET {setting}".encode())
    connection.execute("SET client_min_messages = log")
    connection.execute(
        "SELECT count(*) FROM history('web1', 'cpu.percent', %s, %s, '1 hour')", (moment(EDGES[0]), moment(EDGES[2]))
    )
    plan = next(one for one in plans if "WITH part" in one).partition("\nSort ")[2]
    assert " h_" in plan or " hours " in plan
    assert "frames" not in plan and "minutes" not in plan
