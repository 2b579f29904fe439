from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord import layouts as layouts_module
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.session import MAX_BATCH_FRAMES, CheckedBatch, ProtocolError, Session
from sysmonstm.wire import MAX_SEQ, RefusedError, layout_to_wire
from tests.aggregatord.samples import START_US, WINDOW, batch, book, frame, hello, layout, now_us


def seqs(batches: list[CheckedBatch]) -> list[list[int]]:
    return [[checked.frame.seq for checked in one.frames] for one in batches]


def test_a_batch_waits_for_every_layout_that_it_needs() -> None:
    known = book(layout(0))
    session = Session(hello(), known, WINDOW)
    session.batch(batch(frame(1, layout(0)), frame(2, layout(1)), frame(3, layout(2))))
    session.batch(batch(frame(4, layout(0))))
    assert list(session.checked(now_us())) == []
    assert session.wanted_layouts() == [layout(1).id, layout(2).id]
    assert session.wanted_layouts() == []
    for one in (layout(2), layout(1)):
        assert list(session.checked(now_us())) == []
        known.learn(layout_to_wire(one))
        session.layout_came(one.id)
    assert seqs(list(session.checked(now_us()))) == [[1, 2, 3], [4]]


def test_a_layout_that_was_forgotten_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts_module, "MAX_LAYOUTS", 1)
    known = LayoutBook()
    session = Session(hello(), known, WINDOW)
    session.batch(batch(frame(1, layout(0))))
    for _ in range(2):
        assert session.wanted_layouts() == [layout(0).id]
        known.learn(layout_to_wire(layout(0)))
        session.layout_came(layout(0).id)
        known.learn(layout_to_wire(layout(1)))
        assert list(session.checked(now_us())) == []


def test_more_batches_than_the_window_end_the_stream() -> None:
    session = Session(hello(), book(), 2)
    for seq in (1, 2):
        session.batch(batch(frame(seq)))
    with pytest.raises(ProtocolError, match="more than 2 batches"):
        session.batch(batch(frame(3)))


def test_a_settled_batch_makes_room_for_another() -> None:
    session = Session(hello(), book(), 1)
    for seq in range(1, 4):
        session.batch(batch(frame(seq)))
        (checked,) = session.checked(now_us())
        session.settle(checked)
        assert session.ack(1) == pb.Ack(durable_seq=seq, window=1)


@pytest.mark.parametrize("frames", [[], [frame(1)] * (MAX_BATCH_FRAMES + 1), [frame(MAX_SEQ + 1, time_us=START_US)]])
def test_a_batch_that_no_collector_sends_ends_the_stream(frames: list[pb.Frame]) -> None:
    with pytest.raises(ProtocolError):
        Session(hello(), book(), WINDOW).batch(batch(*frames))


def test_a_bad_frame_is_rejected_alone_and_named_once() -> None:
    session = Session(hello(), book(), WINDOW)
    session.batch(batch(frame(1), frame(2, values=[1.0]), frame(3), frame(4, values=[1.0, float("inf")])))
    (checked,) = session.checked(now_us())
    assert seqs([checked]) == [[1, 3]]
    session.settle(checked)
    first, second = session.ack(5), session.ack(5)
    reasons = {rejection.seq: rejection.reason for rejection in first.rejected}
    assert reasons == {2: "1 values for 2 series", 4: "a value is infinite"}
    assert (first.durable_seq, first.window) == (4, 5)
    assert second == pb.Ack(durable_seq=4, window=5)


def test_nothing_is_acknowledged_before_it_is_settled() -> None:
    session = Session(hello(), book(), WINDOW)
    session.batch(batch(frame(1)))
    assert len(list(session.checked(now_us()))) == 1
    assert session.ack(3) == pb.Ack(durable_seq=0, window=3)


def test_a_layout_book_refuses_what_does_not_keep_the_contract() -> None:
    message = layout_to_wire(layout())
    message.id = b"x" * 16
    with pytest.raises(RefusedError):
        LayoutBook().learn(message)


@given(
    sizes=st.lists(st.integers(1, 4), max_size=12),
    window=st.integers(1, 5),
    rng=st.randoms(use_true_random=False),
)
def test_everything_that_was_sent_is_settled_exactly_once_and_in_order(
    sizes: list[int], window: int, rng: random.Random
) -> None:
    """Whatever the order in which batches, layouts, commits and acks follow each other."""
    known = LayoutBook()
    session = Session(hello(), known, window)
    unsent = [list(range(sum(sizes[:place]) + 1, sum(sizes[: place + 1]) + 1)) for place in range(len(sizes))]
    sent = [seq for seqs in unsent for seq in seqs]
    bad = {seq for seq in sent if rng.random() < 0.2}
    asked: list[bytes] = []
    offered: list[CheckedBatch] = []
    settled: list[int] = []
    acks = [0]
    by_id = {layout(number).id: layout(number) for number in range(3)}

    def send() -> None:
        if unsent and session._unsettled < window:
            frames = [frame(seq, layout(seq % 3), None if seq not in bad else []) for seq in unsent.pop(0)]
            session.batch(batch(*frames))

    def answer() -> None:
        if asked:
            message = layout_to_wire(by_id[asked.pop(0)])
            known.learn(message)
            session.layout_came(message.id)

    def commit() -> None:
        if offered:
            done = offered.pop(0)
            settled.extend(sorted([one.frame.seq for one in done.frames] + [one.seq for one in done.rejected]))
            session.settle(done)

    def acknowledge() -> None:
        ack = session.ack(window)
        assert acks[-1] <= ack.durable_seq
        assert ack.durable_seq == (settled[-1] if settled else 0)
        acks.append(ack.durable_seq)

    steps = [send, answer, commit, acknowledge]
    story = [rng.choice(steps) for _ in range(60)]
    for step in story + steps * (len(sizes) + 3):
        step()
        offered += session.checked(now_us())
        asked += session.wanted_layouts()
    assert settled == sent
