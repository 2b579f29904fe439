from __future__ import annotations

import math

from psycopg import AsyncConnection

from sysmonstm.aggregatord.history.recall import Newest, machine_names, recall
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.aggregatord.history_recorder import writing
from tests.aggregatord.samples import checked, frame, hello, layout, stream_of
from tests.shared.real_server import until

WIDE = Layout(
    (
        Series(Metric("cpu.percent", "percent", Kind.RATE, "Time not idle")),
        Series(Metric("probe.success", "count", Kind.FLAG, "It works", "probe"), "cpu"),
    )
)


async def test_machines_come_back_with_their_newest_frame_and_its_names(database_url: str) -> None:
    async with writing(database_url) as (writer, recorder):
        assert recorder.asked == []
        writer.hello(hello("web1", os="Debian 13"))
        writer.hello(hello("silent"))
        batches = [checked("web1", [1, 2], layout()), checked("web1", [3], WIDE), checked("web2", [9], layout())]
        for batch in batches:
            writer.offer(batch)
        await until("all are settled", lambda: recorder.is_settled(*batches))
        assert recorder.asked == [[]]
    async with writing(database_url) as (_, recorder):
        await until("the fleet is recalled", lambda: len(recorder.recalled_machines) == 3)
        assert {*recorder.asked[0]} == {"web1", "web2", "silent"}
    silent, web1, web2 = sorted(recorder.recalled_machines, key=lambda one: one.hello.machine)
    assert web1.hello == hello("web1", os="Debian 13")
    assert web1.newest == Newest(stream_of("web1"), frame(3, WIDE), WIDE)
    assert web2.newest == Newest(stream_of("web2"), frame(9), layout())
    assert (silent.hello, silent.newest) == (hello("silent"), None)


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
