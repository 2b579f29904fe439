from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.backlog import Backlog
from sysmonstm.collectord.lane import MAX_BATCH_BYTES, MAX_BATCH_FRAMES, DurableLane
from sysmonstm.metric import Kind, Layout, Metric, Series

LAYOUT = Layout((Series(Metric("a.b", "count", Kind.GAUGE, "")),))


def backlog_of(frames: int, values: int = 1) -> Backlog:
    backlog = Backlog(10**9)
    for number in range(frames):
        backlog.append(number, LAYOUT, [1.0] * values)
    return backlog


def seqs(batch: pb.Batch | None) -> list[int]:
    return [frame.seq for frame in batch.frames] if batch else []


def test_nothing_is_sent_while_the_window_is_shut() -> None:
    lane = DurableLane(backlog_of(3), window=0)
    assert lane.next_batch() is None
    lane.acknowledge(pb.Ack(durable_seq=0, window=1))
    assert seqs(lane.next_batch()) == [1, 2, 3]
    assert lane.next_batch() is None


def test_the_window_counts_batches_until_all_of_each_is_settled() -> None:
    backlog = backlog_of(2)
    lane = DurableLane(backlog, window=1)
    assert seqs(lane.next_batch()) == [1, 2]
    backlog.append(3, LAYOUT, [1.0])
    lane.acknowledge(pb.Ack(durable_seq=1, window=1))
    assert lane.next_batch() is None
    lane.acknowledge(pb.Ack(durable_seq=2, window=1))
    assert seqs(lane.next_batch()) == [3]


def test_a_batch_has_no_more_frames_than_allowed() -> None:
    lane = DurableLane(backlog_of(MAX_BATCH_FRAMES + 1), window=2)
    assert len(seqs(lane.next_batch())) == MAX_BATCH_FRAMES
    assert seqs(lane.next_batch()) == [MAX_BATCH_FRAMES + 1]


def test_a_batch_fits_into_one_message_and_has_at_least_one_frame() -> None:
    lane = DurableLane(backlog_of(4, values=MAX_BATCH_BYTES // 4 // 2 - 100), window=2)
    first = lane.next_batch()
    assert seqs(first) == [1, 2]
    assert first is not None
    assert first.ByteSize() <= MAX_BATCH_BYTES + 64
    huge = DurableLane(backlog_of(2, values=MAX_BATCH_BYTES // 4 + 100), window=2)
    assert [seqs(huge.next_batch()), seqs(huge.next_batch())] == [[1], [2]]


def test_a_new_connection_starts_with_the_oldest_that_is_not_settled() -> None:
    backlog = backlog_of(4)
    lane = DurableLane(backlog, window=4)
    lane.next_batch()
    lane.acknowledge(pb.Ack(durable_seq=2, window=4))
    assert seqs(DurableLane(backlog, window=4).next_batch()) == [3, 4]


def test_the_lane_is_behind_until_the_newest_frame_has_left() -> None:
    lane = DurableLane(backlog_of(2), window=1)
    assert lane.is_behind(2)
    lane.next_batch()
    assert lane.is_behind(2)
    lane.written()
    assert not lane.is_behind(2)
    assert lane.is_behind(3)


@given(st.integers(1, 5), st.randoms(use_true_random=False))
def test_every_frame_is_sent_once_in_order_and_never_beyond_the_window(window: int, rng: random.Random) -> None:
    backlog = Backlog(10**6)
    lane = DurableLane(backlog, window)
    sent: list[list[int]] = []
    settled = 0
    for taken in range(1, 60):
        backlog.append(taken, LAYOUT, [1.0])
        if rng.random() < 0.5 and (batch := lane.next_batch()):
            sent.append(seqs(batch))
        if rng.random() < 0.3 and settled < len(sent):
            settled += rng.randint(1, len(sent) - settled)
            lane.acknowledge(pb.Ack(durable_seq=sent[settled - 1][-1], window=window))
        assert len(sent) - settled <= window
    everything = [seq for batch in sent for seq in batch]
    assert everything == list(range(1, len(everything) + 1))
