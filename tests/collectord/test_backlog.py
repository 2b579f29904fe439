from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.collectord.backlog import Backlog
from sysmonstm.metric import Kind, Layout, Metric, Series

LAYOUTS = [Layout((Series(Metric(f"a.b{number}", "count", Kind.GAUGE, "")),)) for number in range(3)]

# A sample of so many values, or an acknowledgement of everything up to so many frames before the newest.
steps = st.lists(st.tuples(st.just("append"), st.integers(0, 60)) | st.tuples(st.just("ack"), st.integers(-3, 20)))


@given(st.integers(1, 2000), steps, st.integers(0, 80), st.integers(0, 8))
def test_the_newest_frames_that_fit_wait_in_order(
    most_bytes: int, story: list[tuple[str, int]], after: int, most_frames: int
) -> None:
    backlog = Backlog(most_bytes)
    waiting: list[int] = []
    taken, acknowledged = 0, 0
    for step, size in story:
        if step == "append":
            taken += 1
            frame = backlog.append(taken, LAYOUTS[taken % 3], [1.0] * size)
            assert (frame.seq, frame.time_us) == (taken, taken)
        else:
            before = len(backlog)
            backlog.acknowledge(taken - size)
            acknowledged += before - len(backlog)
        frames = backlog.after(0, 10**6)
        waiting = [frame.seq for frame in frames]
        assert waiting == list(range(taken - len(waiting) + 1, taken + 1))
        assert len(waiting) == len(backlog)
        assert len(waiting) <= 1 or sum(frame.ByteSize() for frame in frames) <= most_bytes
        assert taken == acknowledged + backlog.dropped + len(waiting)
    assert [frame.seq for frame in backlog.after(after, most_frames)] == [s for s in waiting if s > after][:most_frames]


def test_only_as_many_are_shed_as_must_be() -> None:
    size = Backlog(10**6).append(1, LAYOUTS[0], [1.0]).ByteSize()
    backlog = Backlog(3 * size)
    for _ in range(5):
        backlog.append(1, LAYOUTS[0], [1.0])
    assert [frame.seq for frame in backlog.after(0, 10)] == [3, 4, 5]
    assert backlog.dropped == 2


def test_a_sample_that_is_larger_than_the_bound_is_kept_until_the_next() -> None:
    backlog = Backlog(1)
    backlog.append(1, LAYOUTS[0], [1.0])
    assert len(backlog) == 1
    backlog.append(2, LAYOUTS[0], [1.0])
    assert [frame.seq for frame in backlog.after(0, 10)] == [2]


def test_the_layout_of_any_frame_that_waits_is_found() -> None:
    backlog = Backlog(10**6)
    for layout in LAYOUTS[:2]:
        backlog.append(1, layout, [1.0])
    assert [backlog.layout(layout.id) for layout in LAYOUTS] == [*LAYOUTS[:2], None]
    backlog.acknowledge(1)
    assert backlog.layout(LAYOUTS[0].id) is None
