from __future__ import annotations

import math

from psycopg import AsyncConnection

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.history import recall as recall_module
from sysmonstm.aggregatord.history.recall import Newest, machine_names, recall
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.aggregatord.history_batches import batch_of, checked, session, shed
from tests.aggregatord.history_recorder import writing
from tests.aggregatord.samples import frame, hello, layout, now_us, stream_of
from tests.editions import each_edition
from tests.shared.real_server import until

WIDE = Layout(
    (
        Series(Metric("cpu.percent", "percent", Kind.RATE, "Time not idle")),
        Series(Metric("probe.success", "count", Kind.FLAG, "It works", "probe"), "cpu"),
    )
)


async def test_machines_come_back_with_their_newest_frame_and_its_names(database_url: str) -> None:
    tagged = hello("silent")
    tagged.tags.extend(["web", "rack:4"])
    async with writing(database_url) as (writer, recorder):
        await until("nobody is known yet", lambda: recorder.asked == [[]])
        writer.hello(hello("web1", os="Debian 13"))
        writer.hello(tagged)
        batches = [checked("web1", [1, 2], layout()), checked("web1", [3], WIDE), checked("web2", [9], layout())]
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
    async with writing(database_url) as (_, recorder):
        await until("the fleet is recalled", lambda: len(recorder.recalled_machines) == 3)
        assert {*recorder.asked[0]} == {"web1", "web2", "silent"}
    silent, web1, web2 = sorted(recorder.recalled_machines, key=lambda one: one.hello.machine)
    assert web1.hello == hello("web1", os="Debian 13")
    assert web1.newest == Newest(stream_of("web1"), frame(3, WIDE), WIDE)
    assert web2.newest == Newest(stream_of("web2"), frame(9), layout())
    assert (silent.hello, silent.newest) == (tagged, None)


async def test_what_was_not_read_comes_back_as_nan(database_url: str) -> None:
    batch = checked("web1", [1], WIDE)
    batch.frames[0].frame.values[0] = math.nan
    async with writing(database_url) as (writer, recorder):
        writer.offer(batch)
        await until("it is settled", lambda: recorder.is_settled(batch))
    async with await AsyncConnection.connect(database_url) as connection:
        assert await machine_names(connection) == ["web1"]
        (recalled,) = await recall(connection, ["web1"])
        assert await recall(connection, []) == []
    assert recalled.newest is not None
    assert math.isnan(recalled.newest.frame.values[0])
    assert recalled.newest.frame.values[1] == 1.0


DAY_US = 86_400_000_000


async def test_the_newest_frame_is_the_one_that_was_sent_last(database_url: str) -> None:
    """Its clock was a day ahead, and then it was put right."""
    of, now = session(), now_us()
    ahead, right = batch_of(of, [1, 2], start_us=now), batch_of(of, [3], start_us=now - DAY_US)
    async with writing(database_url) as (writer, recorder):
        for batch in (ahead, right):
            writer.offer(batch)
            await until("it is settled", lambda batch=batch: recorder.is_settled(batch))
    async with await AsyncConnection.connect(database_url) as connection:
        (recalled,) = await recall(connection, ["web1"])
    assert recalled.newest == Newest(of.stream, right.frames[0].frame, layout())


async def test_of_two_streams_the_one_that_moved_last_has_the_newest_frame(database_url: str) -> None:
    old, new = session(), session(stream=b"new")
    first, second = batch_of(old, [7], start_us=now_us()), batch_of(new, [1], start_us=now_us() - DAY_US)
    async with writing(database_url) as (writer, recorder):
        for batch in (first, second):
            writer.offer(batch)
            await until("it is settled", lambda batch=batch: recorder.is_settled(batch))
    async with await AsyncConnection.connect(database_url) as connection:
        (recalled,) = await recall(connection, ["web1"])
    assert recalled.newest == Newest(new.stream, second.frames[0].frame, layout())


async def test_a_frame_before_a_gap_is_recalled_with_a_seq_that_hides_no_other(database_url: str) -> None:
    of = session()
    batch = batch_of(of, [1, 2], gaps=[shed(3, 9)])
    async with writing(database_url) as (writer, recorder):
        writer.offer(batch)
        await until("it is settled", lambda: recorder.is_settled(batch))
    async with await AsyncConnection.connect(database_url) as connection:
        (recalled,) = await recall(connection, ["web1"])
    assert recalled.newest is not None
    # What comes next is beyond the gap, and what may come again is up to its end.
    assert recalled.newest.frame == pb.Frame(seq=9, time_us=frame(2).time_us, layout_id=layout().id, values=[2.0, 2.0])


@each_edition
async def test_the_newest_frame_is_found_without_a_look_at_every_chunk(database_url: str) -> None:
    """Of the 200 that there are: at the cursor's own time, or else at the newest."""
    of, now = session(), now_us()
    batches = [batch_of(of, [seq], start_us=now - (200 - seq) * DAY_US // 4) for seq in range(1, 201)]
    async with writing(database_url) as (writer, recorder):
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
    async with await AsyncConnection.connect(database_url) as connection:
        (recalled,) = await recall(connection, ["web1"])
        assert recalled.newest == Newest(of.stream, batches[-1].frames[0].frame, layout())
        for durable_time in ("durable_time", "NULL"):
            await connection.execute(f"UPDATE streams SET durable_time = {durable_time}".encode())
            explain = f"EXPLAIN (ANALYZE, COSTS off, FORMAT text) {recall_module._MACHINES}".encode()
            rows = await (await connection.execute(explain, (["web1"],))).fetchall()
            plan = [line for (line,) in rows if "frames" in line or "_hyper_" in line]
            executed = [line for line in plan if "never executed" not in line]
            assert len(executed) <= 6, "\n".join(line for (line,) in rows)
