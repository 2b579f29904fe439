from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest
from psycopg import AsyncConnection

from sysmonstm.aggregatord.history import doubled
from sysmonstm.aggregatord.history.doubled import (
    OVERLAP_SECONDS,
    WATCH_INTERVALS,
    WATCH_SECONDS,
    Suspects,
    find_doubled,
)
from tests.aggregatord.history_batches import batch_of, session
from tests.aggregatord.history_recorder import writing
from tests.editions import each_edition
from tests.shared.real_server import until

STREAMS = (b"a" * 16, b"b" * 16, b"c" * 16)


def insert(url: str, *ages: tuple[float, float], interval: float = 5.0) -> None:
    """A machine web1 with streams that were first seen and last moved so many seconds ago."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)"
            " VALUES ('web1', 'x', %s, '', '{}'), ('web2', 'y', 5, '', '{}')",
            (interval,),
        )
        for stream, (first_seen, moved) in zip(STREAMS, ages, strict=False):
            connection.execute(
                "INSERT INTO streams (stream, machine, first_seen, moved)"
                " SELECT %s, id, now() - %s, now() - %s FROM machines WHERE name = 'web1'",
                (stream, timedelta(seconds=first_seen), timedelta(seconds=moved)),
            )


@pytest.mark.parametrize(
    ("ages", "interval", "expected"),
    [
        ([(1000, 1), (100, 2)], 5, 2),  # both go on
        ([(1000, 101), (100, 1)], 5, 0),  # it began a new stream 100 s ago
        ([(1000, 90), (100, 1)], 5, 0),  # the old stream's last frames came a little later
        ([(1000, 65), (100, 1)], 5, 0),  # one of them has stopped
        ([(1000, 1), (20, 1)], 5, 0),  # too early to tell
        ([(35, 1), (33, 1)], 5, 2),
        ([(90_000, 3000), (80_000, 1)], 3600, 2),  # they send once an hour
        ([(1000, 1), (100, 2), (900, 1)], 5, 3),
        ([(1000, 500), (100, 2), (900, 1)], 5, 2),
        ([(1000, 1)], 5, 0),
    ],
)
async def test_two_streams_that_both_go_on_are_two_hosts(
    database_url: str, ages: list[tuple[float, float]], interval: float, expected: int
) -> None:
    insert(database_url, *ages, interval=interval)
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        events = await find_doubled(connection, ["web1", "web2"], OVERLAP_SECONDS)
        assert await find_doubled(connection, ["web1", "web2"], OVERLAP_SECONDS) == []
        rows = await (await connection.execute("SELECT stream FROM streams WHERE doubled")).fetchall()
        kinds = await (await connection.execute("SELECT kind, severity, machine FROM events")).fetchall()
    flagged = sorted(stream.hex() for (stream,) in rows)
    assert len(flagged) == expected
    if expected:
        (event,) = events
        assert kinds == [("machine.doubled", "warning", "web1")]
        assert event["fields"] == {"streams": flagged}
        assert "COLLECTOR_MACHINE_ID" in str(event["message"])
    else:
        assert (events, kinds) == ([], [])


async def test_of_two_that_look_at_once_one_says_so(database_url: str) -> None:
    insert(database_url, (1000, 1), (100, 2))

    async def look() -> int:
        async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
            return len(await find_doubled(connection, ["web1"], OVERLAP_SECONDS))

    assert sorted(await asyncio.gather(*(look() for _ in range(4)))) == [0, 0, 0, 1]


def test_a_machine_is_looked_at_for_a_while_after_it_was_seen_with_another_stream() -> None:
    suspects = Suspects(look_seconds=10)
    assert suspects.due(0) == []
    suspects.seen("web1", STREAMS[0], 5.0, 5)
    assert suspects.due(9) == []
    assert suspects.due(10) == ["web1"]
    assert suspects.due(11) == []
    assert suspects.due(5 + WATCH_SECONDS - 1) == ["web1"]
    suspects.seen("web1", STREAMS[0], 5.0, 190)
    assert suspects.due(200) == []
    suspects.seen("web1", STREAMS[1], 5.0, 300)
    suspects.hello("slow", STREAMS[0], 3600.0, 300)
    assert suspects.due(310) == ["web1", "slow"]
    assert suspects.due(301 + WATCH_SECONDS) == ["slow"]
    assert suspects.due(300 + WATCH_INTERVALS * 3600) == []
    suspects.hello("web1", STREAMS[1], 5.0, 10**6)
    assert suspects.due(10**6 + 1) == ["web1"]


@each_edition
async def test_two_hosts_at_two_aggregators_are_found_out(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubled, "OVERLAP_SECONDS", 0.5)
    monkeypatch.setattr(doubled, "LOOK_SECONDS", 0.1)
    sessions = session(stream=STREAMS[0]), session(stream=STREAMS[1])
    async with writing(database_url) as (one, heard), writing(database_url) as (other, heard_too):

        def events() -> list[dict[str, object]]:
            return [event for event in heard.events + heard_too.events if event["kind"] == "machine.doubled"]

        for seq in range(1, 400):
            one.offer(batch_of(sessions[0], [seq]))
            other.offer(batch_of(sessions[1], [seq]))
            await asyncio.sleep(0.02)
            if events():
                break
        for seq in range(401, 420):
            one.offer(batch_of(sessions[0], [seq]))
            other.offer(last := batch_of(sessions[1], [seq]))
            await asyncio.sleep(0.02)
        await until("all are settled", lambda: heard_too.is_settled(last))
    (event,) = events()
    assert event["fields"] == {"streams": [one.hex() for one in STREAMS[:2]]}
    with psycopg.connect(database_url) as connection:
        counts = connection.execute("SELECT count(*), count(DISTINCT stream) FROM frames").fetchone()
    assert counts is not None
    assert counts[1] == 2


async def test_a_collector_that_begins_a_new_stream_is_one_host(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubled, "OVERLAP_SECONDS", 0.3)
    monkeypatch.setattr(doubled, "LOOK_SECONDS", 0.05)
    async with writing(database_url) as (writer, recorder):
        for stream in STREAMS:
            writer.hello(session(stream=stream).hello)
            for seq in range(1, 40):
                writer.offer(batch := batch_of(session(stream=stream), [seq]))
                await asyncio.sleep(0.02)
        await until("all are settled", lambda: recorder.is_settled(batch))
    assert [event["kind"] for event in recorder.events] == ["machine.new"]
