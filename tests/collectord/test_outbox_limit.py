"""The limits of a spool that is in use may be changed."""

from __future__ import annotations

from pathlib import Path

from sysmonstm.collectord.spool.words import Limits
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.collectord.uplinked import EPOCH_US, outbox_in

WIDE = Layout(tuple(Series(Metric("a.b", "count", Kind.GAUGE, "", "which"), str(number)) for number in range(250)))
SMALL = Limits(most_bytes=1_048_576, free_bytes=0)


async def test_a_lower_limit_holds_from_the_next_frame_on_and_a_higher_one_too(tmp_path: Path) -> None:
    async with outbox_in(tmp_path) as outbox:

        async def append(count: int) -> int:
            for _ in range(count):
                issued = await outbox.append(EPOCH_US + outbox.newest_seq(outbox.current_stream), WIDE, [1.0] * 250)
            return issued.frame.seq

        await append(1500)
        assert (outbox.state.shed, outbox.state.bytes > SMALL.most_bytes) == (0, True)
        await outbox.limit(SMALL)
        newest = await append(1)
        assert outbox.state.bytes <= SMALL.most_bytes
        shed = outbox.state.shed
        assert shed > 0
        # What went is told of, what stayed is there. Segments go as a whole, and those of before were made large.
        (gap,) = (await outbox.read(outbox.current_stream, 0, 10_000, 10**9)).gaps
        assert (gap.first_seq, gap.last_seq) == (1, shed)
        frames = (await outbox.read(outbox.current_stream, shed, 10_000, 10**9)).frames
        assert [frame.seq for frame in frames] == list(range(shed + 1, newest + 1))
        await outbox.limit(Limits(most_bytes=10**8, free_bytes=0))
        await append(1500)
        assert outbox.state.shed == shed
