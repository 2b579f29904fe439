from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.lane import MAX_BATCH_FRAMES, STALL_SECONDS, DurableLane
from sysmonstm.collectord.spool.words import Portion

STREAM = b"s" * 16


def lane_with(window: int, frames_per_batch: int = 0) -> DurableLane:
    return DurableLane(STREAM, pb.Welcome(window=window, frames_per_batch=frames_per_batch))


def portion(first: int, last: int) -> Portion:
    return Portion([pb.Frame(seq=seq) for seq in range(first, last + 1)])


def send(lane: DurableLane, frames: int = 1) -> pb.Batch:
    batch = lane.batch(portion(lane.sent_seq + 1, lane.sent_seq + frames), 5)
    assert batch is not None
    return batch


def test_nothing_may_be_sent_while_the_window_is_shut() -> None:
    lane = lane_with(window=0)
    assert (lane.most_frames, lane.window_is_open) == (0, False)
    lane.acknowledge(pb.Ack(window=1))
    assert (lane.most_frames, lane.window_is_open) == (MAX_BATCH_FRAMES, True)
    send(lane)
    assert (lane.most_frames, lane.window_is_open) == (0, True)


def test_the_window_counts_batches_until_all_of_each_is_settled() -> None:
    lane = lane_with(window=1)
    send(lane, 2)
    lane.acknowledge(pb.Ack(durable_seq=1, window=1))
    assert lane.most_frames == 0
    lane.acknowledge(pb.Ack(durable_seq=2, window=1))
    assert lane.most_frames > 0


def test_a_window_that_closes_does_not_take_back_what_was_sent() -> None:
    lane = lane_with(window=2)
    send(lane)
    send(lane)
    lane.acknowledge(pb.Ack(durable_seq=1, window=0))
    assert lane.most_frames == 0
    lane.acknowledge(pb.Ack(durable_seq=1, window=1))
    assert lane.most_frames == 0
    lane.acknowledge(pb.Ack(durable_seq=1, window=2))
    assert lane.most_frames > 0


def test_the_aggregator_says_how_large_batches_may_be_up_to_what_one_message_holds() -> None:
    lane = lane_with(window=1, frames_per_batch=7)
    assert lane.most_frames == 7
    lane.acknowledge(pb.Ack(window=1, frames_per_batch=MAX_BATCH_FRAMES + 1))
    assert lane.most_frames == MAX_BATCH_FRAMES
    lane.acknowledge(pb.Ack(window=1))
    assert lane.most_frames == MAX_BATCH_FRAMES


def test_a_batch_has_frames_gaps_and_the_time_of_sending_and_goes_as_far_as_either() -> None:
    lane = lane_with(window=4)
    gap = pb.Gap(first_seq=3, last_seq=9, reason=pb.GAP_REASON_SHED)
    batch = lane.batch(Portion([pb.Frame(seq=1), pb.Frame(seq=2)], [gap]), 5)
    assert batch == pb.Batch(frames=[pb.Frame(seq=1), pb.Frame(seq=2)], gaps=[gap], sent_us=5)
    assert lane.sent_seq == 9
    assert lane.batch(Portion([], [pb.Gap(first_seq=10, last_seq=10)]), 6) is not None
    assert lane.sent_seq == 10


def test_nothing_is_no_batch() -> None:
    lane = lane_with(window=1)
    assert lane.batch(Portion(), 5) is None
    assert lane.most_frames > 0


def test_what_was_not_sent_here_is_not_acknowledged_here() -> None:
    lane = lane_with(window=1)
    assert lane.acknowledge(pb.Ack(durable_seq=100, window=1)) == 0
    send(lane, 3)
    assert lane.acknowledge(pb.Ack(durable_seq=100, window=1)) == 3


def test_a_frame_is_behind_until_the_connection_has_taken_it() -> None:
    lane = lane_with(window=8)
    assert lane.is_behind(STREAM, 1)
    send(lane)
    assert lane.is_behind(STREAM, 1)
    lane.written(0.0)
    assert not lane.is_behind(STREAM, 1)
    assert lane.is_behind(STREAM, 2)
    assert lane.is_behind(b"t" * 16, 1)


def test_a_frame_of_which_only_the_loss_was_told_is_behind() -> None:
    lane = lane_with(window=8)
    send(lane)
    lane.batch(Portion([], [pb.Gap(first_seq=2, last_seq=3, reason=pb.GAP_REASON_SHED)]), 5)
    lane.written(0.0)
    assert not lane.is_behind(STREAM, 1)
    assert lane.is_behind(STREAM, 3)


def test_what_was_written_and_does_not_come_is_missed_after_a_while() -> None:
    lane = lane_with(window=8)
    send(lane, 3)
    lane.written(100.0)
    # It takes its time, and moves on meanwhile.
    assert not lane.has_stalled(pb.Ack(), 100.0 + STALL_SECONDS)
    send(lane, 3)
    lane.written(120.0)
    assert not lane.has_stalled(pb.Ack(received_seq=3), 140.0)
    assert not lane.has_stalled(pb.Ack(received_seq=3), 140.0 + STALL_SECONDS)
    assert lane.has_stalled(pb.Ack(received_seq=3), 141.0 + STALL_SECONDS)
    # All has come: however long nothing more is said.
    assert not lane.has_stalled(pb.Ack(received_seq=6), 1000.0)
    assert not lane.has_stalled(pb.Ack(received_seq=6), 2000.0)
    send(lane)
    lane.written(3000.0)
    assert not lane.has_stalled(pb.Ack(received_seq=6), 3000.0 + STALL_SECONDS)
    assert lane.has_stalled(pb.Ack(received_seq=6), 3001.0 + STALL_SECONDS)


@given(st.integers(0, 2**32), st.lists(st.sampled_from(["send", "ack"]), max_size=60))
def test_whatever_is_acknowledged_the_window_holds_and_settled_only_grows(seed: int, steps: list[str]) -> None:
    rng = random.Random(seed)
    window = rng.randint(0, 4)
    lane = lane_with(window)
    ends, settled = [], 0
    for step in steps:
        if step == "send" and lane.most_frames:
            send(lane, rng.randint(1, 3))
            ends.append(lane.sent_seq)
        elif step == "ack":
            window, seq = rng.randint(0, 4), rng.randint(0, lane.sent_seq + 2)
            now = lane.acknowledge(pb.Ack(durable_seq=seq, window=window))
            assert now == max(settled, min(seq, lane.sent_seq))
            settled = now
        assert (lane.most_frames > 0) is (len([end for end in ends if end > settled]) < window)
