from __future__ import annotations

import random
import time

import psycopg

from sysmonstm.aggregatord.session import CheckedBatch
from tests.aggregatord.history_recorder import settle, writing
from tests.aggregatord.rollup_model import Sent, differences, expected, stored
from tests.aggregatord.rollup_rounds import DAY, HOUR, KEEP, roll_up
from tests.aggregatord.samples import book, frame, give, layout, session, take
from tests.editions import each_edition

AGES = (0, 200, HOUR, 5 * HOUR, 20 * HOUR, 40 * HOUR, 10 * DAY)
LAYOUTS = (layout(), layout(1, 3))
NUMBERS = """
SELECT (SELECT jsonb_object_agg(name, id) FROM machines),
    (SELECT jsonb_object_agg(name, streams.id) FROM streams JOIN machines ON machines.id = streams.machine),
    (SELECT jsonb_object_agg(encode(hash, 'hex'), id) FROM layouts)
"""


def some_batch(rng: random.Random, machine: str, first_seq: int, now: float) -> CheckedBatch:
    """Ten frames, of ages from none to ten days."""
    one = session(book(*LAYOUTS), machine)
    frames = []
    for seq in range(first_seq, first_seq + 10):
        of = rng.choice(LAYOUTS)
        # No two of a stream have a time in common.
        time_us = int(now - rng.choice(AGES)) * 1_000_000 + seq
        frames.append(frame(seq, of, [rng.choice([rng.random(), float("nan")]) for _ in of.series], time_us))
    give(one, *frames)
    (batch,) = take(one)
    return batch


def again(batch: CheckedBatch) -> CheckedBatch:
    """The same frames by another session, as after a lost acknowledgement."""
    one = session(book(*LAYOUTS), batch.session.machine)
    give(one, *(checked.frame for checked in batch.frames))
    (result,) = take(one)
    return result


@each_edition
async def test_what_the_real_writer_writes_whenever_it_does_is_rolled_up_once(database_url: str) -> None:
    rng, now, batches = random.Random(3), time.time(), list[CheckedBatch]()
    async with writing(database_url) as (writer, recorder):
        for turn in range(8):
            new = [some_batch(rng, machine, 1 + 10 * turn, now) for machine in ("web1", "web2")]
            await settle(writer, recorder, *new, *(again(batch) for batch in (*new, *batches[-4:])))
            batches += new
            if turn % 2:
                now += 40 * 60
                await roll_up(database_url, now)
    await roll_up(database_url, now + 2 * HOUR)
    with psycopg.connect(database_url) as connection:
        row = connection.execute(NUMBERS).fetchone()
        kept = connection.execute("SELECT extract(epoch FROM kept_from) FROM tiers WHERE name = 'minute'").fetchone()
        assert row is not None and kept is not None
        machines, streams, layouts = row
        sent = [
            Sent(
                machines[batch.session.machine],
                streams[batch.session.machine],
                one.frame.seq,
                one.frame.time_us,
                layouts[one.layout.id.hex()],
                tuple(one.frame.values),
            )
            for batch in batches
            for one in batch.frames
        ]
        minutes = {key: one for key, one in expected(sent, 60).items() if key[1] >= kept[0]}
        assert differences(stored(connection, "minutes"), minutes) == []
        assert differences(stored(connection, "hours"), expected(sent, HOUR)) == []
        late = connection.execute("SELECT count(*) FROM late_frames").fetchone()
        assert late == (0,)
    assert now - KEEP.raw > min(one.time_us for one in sent) / 1e6
