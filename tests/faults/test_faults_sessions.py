"""One stream in two sessions at once, and one name for two hosts."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import psycopg

from sysmon.v1 import ingest_pb2 as pb
from tests.faults import checks, payload, rollups
from tests.faults.ledger import Ledger, Origin
from tests.faults.raw_session import session
from tests.faults.stage import Stage, assert_none
from tests.shared.real_server import until

ORIGIN, WIDTH, STREAM = 1, 20, b"raw-session-test"
BATCH, BATCHES = 50, 10


def frames_of(ledger: Ledger, first: int, start_us: int) -> list[pb.Frame]:
    frames = []
    for number in range(first, first + BATCH):
        time_us = start_us + number * 1_000_000
        ledger.take(ORIGIN, number, time_us)
        ledger.placed(ORIGIN, number, STREAM, number)
        layout = payload.layout_of(number, WIDTH)
        values = payload.values_of(ORIGIN, number, WIDTH)
        events = payload.events_of(ORIGIN, number, time_us)
        frames.append(pb.Frame(seq=number, time_us=time_us, layout_id=layout.id, values=values, events=events))
    return frames


async def test_the_same_batch_comes_by_several_sessions_at_once(stage: Stage) -> None:
    """Two sessions on each of two aggregatords, and all four settle it."""
    hubs = [await stage.aggregator() for _ in range(2)]
    book = Ledger()
    book.host(ORIGIN, "machine-1", WIDTH)
    start_us = time.time_ns() // 1000 - 2 * BATCH * BATCHES * 1_000_000
    layouts = {one.id: one for one in (payload.layout_of(number, WIDTH) for number in range(BATCH * BATCHES))}
    hello = pb.Hello(machine="machine-1", stream=STREAM, interval_seconds=1)

    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(session(hub.address, hello, layouts)) for hub in hubs for _ in range(2)
        ]
        for number in range(BATCHES):
            frames = frames_of(book, 1 + number * BATCH, start_us)
            await asyncio.gather(*(one.send(frames) for one in sessions))
            book.acknowledge(STREAM, frames[-1].seq)
    have = stage.stored()
    assert_none(checks.at_rest(book, have))
    assert len(have.frames) == BATCH * BATCHES
    have = await stage.rolled_up(book)
    assert_none(rollups.wrong(rollups.kept(book, have), have))


async def test_two_hosts_with_one_name_are_kept_apart_and_one_event_says_so(stage: Stage) -> None:
    hub = await stage.aggregator()
    hosts = [stage.collect(hub.address, name="twin", first_origin=origin, backlog=20, span=9000) for origin in (1, 2)]
    await until("both have sent", lambda: all(one.acknowledged for one in _origins(stage)))
    # As if it had gone on for a while: it takes half a minute until it is sure.
    with psycopg.connect(stage.database) as connection:
        connection.execute("UPDATE streams SET first_seen = first_seen - interval '1 hour'")
    await stage.within(60, "an event says so", lambda: _events(stage) == 1)
    for one in hosts:
        one.kill()
        one.start()
    await asyncio.sleep(1)
    have = await stage.settle(fewest=100)
    assert {row.machine for row in have.frames} == {"twin"}
    assert len(have.durable) == 2
    assert _events(stage) == 1


def _origins(stage: Stage) -> list[Origin]:
    """Of both hosts, or none until both have started."""
    origins = list(stage.ledger().origins.values())
    return origins if len(origins) == 2 else [Origin("", 0)]


def _events(stage: Stage) -> int:
    with psycopg.connect(stage.database) as connection:
        row = connection.execute("SELECT count(*) FROM events WHERE kind = 'machine.doubled'").fetchone()
    assert row is not None
    return int(row[0])
