from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord import layouts as layouts_module
from sysmonstm.aggregatord import session as session_module
from sysmonstm.aggregatord.allowance import SHUT, Pace
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.session import CheckedBatch, ProtocolError, Session
from sysmonstm.aggregatord.spans import MAX_FRAMES, MAX_GAPS
from sysmonstm.wire import MAX_SEQ, RefusedError, layout_to_wire
from tests.aggregatord.samples import (
    OLDEST_SECONDS,
    PACE,
    START_US,
    batch,
    book,
    frame,
    gap,
    give,
    hello,
    layout,
    now_us,
    session,
    take,
)


def seqs(batches: list[CheckedBatch]) -> list[list[int]]:
    return [[checked.frame.seq for checked in one.frames] for one in batches]


def test_a_batch_waits_for_every_layout_that_it_needs() -> None:
    known = book(layout(0))
    one = session(known)
    give(one, frame(1, layout(0)), frame(2, layout(1)), frame(3, layout(2)))
    give(one, frame(4, layout(0)))
    assert take(one) == []
    assert one.wanted_layouts() == [layout(1).id, layout(2).id]
    assert one.wanted_layouts() == []
    for new in (layout(2), layout(1)):
        assert take(one) == []
        known.learn(layout_to_wire(new))
        one.layout_came(new.id)
    assert seqs(take(one)) == [[1, 2, 3], [4]]


def test_a_layout_that_was_forgotten_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts_module, "MAX_SERIES_IN_ALL", 3)
    known = LayoutBook()
    one = session(known)
    give(one, frame(1, layout(0)))
    for _ in range(2):
        assert one.wanted_layouts() == [layout(0).id]
        known.learn(layout_to_wire(layout(0)))
        one.layout_came(layout(0).id)
        known.learn(layout_to_wire(layout(1)))
        assert take(one) == []


def test_a_layout_that_goes_while_its_batch_is_looked_at_is_still_that_batchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts_module, "MAX_SERIES_IN_ALL", 3)
    monkeypatch.setattr(session_module, "CHUNK_VALUES", 1)
    known = book()
    one = session(known)
    give(one, frame(1), frame(2), frame(3))
    looking = one.checked(now_us())
    assert next(looking) is None
    known.learn(layout_to_wire(layout(1)))
    (checked,) = [one for one in looking if one]
    assert seqs([checked]) == [[1, 2, 3]]


def test_frames_whose_layout_does_not_keep_the_contract_are_kept_apart_and_the_stream_goes_on() -> None:
    one = session()
    give(one, frame(1, layout(1)), frame(2), pb.Frame(seq=3, time_us=now_us(), layout_id=b"short"))
    assert not one.layout_refused(layout(1).id, "not asked for")
    assert one.wanted_layouts() == [layout(1).id]
    assert one.layout_refused(layout(1).id, "a layout names a series twice")
    (checked,) = take(one)
    assert seqs([checked]) == [[2]]
    assert [(rejected.frame.seq, rejected.layout, rejected.reason) for rejected in checked.rejected] == [
        (1, None, "a layout names a series twice"),
        (3, None, "it names no layout"),
    ]


def test_more_batches_than_the_window_end_the_stream() -> None:
    one = session(pace=Pace(2, 10))
    for seq in (1, 2):
        give(one, frame(seq))
    with pytest.raises(ProtocolError, match="2 batches are unacknowledged already"):
        give(one, frame(3))


def test_a_larger_batch_than_was_ever_allowed_ends_the_stream() -> None:
    one = session(pace=Pace(2, 3))
    give(one, *map(frame, range(1, 4)))
    with pytest.raises(ProtocolError, match="a batch of 4 frames, where 3 are allowed"):
        give(one, *map(frame, range(4, 8)))


def test_a_batch_before_the_window_was_ever_opened_ends_the_stream() -> None:
    with pytest.raises(ProtocolError, match="no more are allowed"):
        give(session(pace=SHUT), frame(1))


def test_an_acknowledged_batch_makes_room_for_another() -> None:
    one = session(pace=Pace(1, 10))
    for seq in range(1, 4):
        give(one, frame(seq))
        (checked,) = take(one)
        one.settle(checked)
        assert one.ack(Pace(1, 10)) == pb.Ack(durable_seq=seq, window=1, frames_per_batch=10, received_seq=seq)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (batch(), "one of either at least"),
        (batch(*map(frame, range(1, MAX_FRAMES + 2))), "at most 1000 frames"),
        (batch(gaps=[gap(2 * number, 2 * number) for number in range(1, MAX_GAPS + 2)]), "1000 gaps"),
        (batch(frame(MAX_SEQ + 1, time_us=START_US)), "a seq is 1 to"),
        (batch(frame(0, time_us=START_US)), "a seq is 1 to"),
        (batch(gaps=[gap(0, 5)]), "a seq is 1 to"),
        (batch(gaps=[gap(5, MAX_SEQ + 1)]), "a seq is 1 to"),
        (batch(gaps=[gap(5, 4)]), "ends before it begins"),
        (batch(frame(2), frame(1)), "in order of seq"),
        (batch(frame(1), frame(1)), "none twice"),
        (batch(gaps=[gap(3, 4), gap(1, 2)]), "in order of seq"),
        (batch(gaps=[gap(1, 3), gap(3, 4)]), "none twice"),
        (batch(frame(3), gaps=[gap(1, 3)]), "none twice"),
        (batch(frame(4), frame(5), gaps=[gap(1, 9)]), "none twice"),
    ],
)
def test_a_batch_that_no_collector_sends_ends_the_stream(message: pb.Batch, sentence: str) -> None:
    one = session(pace=Pace(8, MAX_FRAMES + 1))
    with pytest.raises(ProtocolError, match=sentence):
        one.batch(message, message.ByteSize())
    assert take(one) == []


def test_gaps_are_handed_on_and_settle_what_they_name() -> None:
    one = session()
    give(one, gaps=[gap(1, 10)])
    give(one, frame(11), frame(12), gaps=[gap(13, 13, pb.GAP_REASON_DAMAGED)])
    first, second = take(one)
    assert (first.frames, first.gaps, first.last_seq, first.last_time_us) == ([], [gap(1, 10)], 10, 0)
    assert (second.gaps, second.last_seq, second.last_time_us) == ([gap(13, 13, pb.GAP_REASON_DAMAGED)], 13, 0)
    for checked in (first, second):
        one.settle(checked)
    assert one.ack(PACE).durable_seq == 13


def test_what_is_left_out_without_a_word_is_a_gap_too() -> None:
    """Once it is acknowledged the collector forgets it, so it is lost."""
    one = session()
    give(one, frame(5), frame(8), gaps=[gap(6, 6)])
    give(one, frame(12))
    # What comes again is no gap.
    give(one, frame(6), frame(7))
    unknown = pb.GAP_REASON_UNSPECIFIED
    assert [checked.gaps for checked in take(one)] == [[gap(6, 6), gap(7, 7, unknown)], [gap(9, 11, unknown)], []]


def test_the_time_of_the_last_frame_is_known_where_it_can_be_stored() -> None:
    one = session()
    give(one, frame(1), frame(2, time_us=START_US + 77))
    give(one, frame(3), frame(4, values=[]))
    assert [checked.last_time_us for checked in take(one)] == [START_US + 77, 0]


def test_a_bad_frame_is_rejected_alone_and_named_once() -> None:
    one = session()
    bad = [frame(2, values=[1.0]), frame(4, values=[1.0, float("inf")])]
    give(one, frame(1), bad[0], frame(3), bad[1])
    (checked,) = take(one)
    assert seqs([checked]) == [[1, 3]]
    assert [(rejected.frame, rejected.layout) for rejected in checked.rejected] == [(one, layout()) for one in bad]
    one.settle(checked)
    give(one, frame(5, values=[]))
    (checked,) = take(one)
    one.settle(checked)
    first, second = one.ack(Pace(5, 7)), one.ack(Pace(5, 7))
    reasons = {rejection.seq: rejection.reason for rejection in first.rejected}
    assert reasons == {2: "1 values for 2 series", 4: "a value is infinite", 5: "0 values for 2 series"}
    assert (first.durable_seq, first.window) == (5, 5)
    assert second == pb.Ack(durable_seq=5, window=5, frames_per_batch=7, received_seq=5)


@pytest.mark.parametrize(
    ("ahead_seconds", "reason"),
    [
        (86_300, ""),
        (86_500, "its time is more than a day ahead"),
        (-OLDEST_SECONDS + 100, ""),
        (-OLDEST_SECONDS - 100, "its time is before all that is kept"),
    ],
)
def test_absurd_times_are_refused_alone(ahead_seconds: float, reason: str) -> None:
    one = session()
    give(one, frame(1), frame(2, time_us=now_us() + int(ahead_seconds * 1e6)), frame(3))
    (checked,) = take(one)
    assert [rejected.reason for rejected in checked.rejected] == ([reason] if reason else [])
    assert seqs([checked]) == [[1, 3] if reason else [1, 2, 3]]


def test_what_takes_long_to_look_at_lets_others_run_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CHUNK_VALUES", 3)
    one = session()
    give(one, *map(frame, range(1, 8)))
    steps = list(one.checked(now_us()))
    assert steps[:-1] == [None] * 3
    assert seqs([step for step in steps if step]) == [[1, 2, 3, 4, 5, 6, 7]]


def test_nothing_is_acknowledged_before_it_is_settled() -> None:
    one = session()
    give(one, frame(1))
    assert len(take(one)) == 1
    assert one.ack(Pace(3, 4)) == pb.Ack(durable_seq=0, window=3, frames_per_batch=4, received_seq=1)


def test_a_layout_book_refuses_what_does_not_keep_the_contract() -> None:
    message = layout_to_wire(layout())
    message.id = b"x" * 16
    with pytest.raises(RefusedError):
        LayoutBook().learn(message)


class Story:
    """A collector, a session and a database that take steps in any order."""

    def __init__(self, sizes: Sequence[int], window: int, rng: random.Random) -> None:
        self._known = LayoutBook()
        self.session = Session(hello(), self._known, OLDEST_SECONDS)
        self._pace = Pace(window, 4)
        self.session.welcome(self._pace)
        self._unsent = [list(range(sum(sizes[:place]) + 1, sum(sizes[: place + 1]) + 1)) for place in range(len(sizes))]
        self.sent = [seq for seqs in self._unsent for seq in seqs]
        self._kinds = {seq: rng.choice(["good", "good", "bad", "gap"]) for seq in self.sent}
        self._unacknowledged: list[int] = []
        self._window = window
        self._asked: list[bytes] = []
        self._offered: list[CheckedBatch] = []
        self.settled: list[int] = []
        self._by_id = {layout(number).id: layout(number) for number in range(3)}

    def send(self) -> None:
        if not self._unsent or len(self._unacknowledged) >= self._window:
            return
        seqs = self._unsent.pop(0)
        frames = [
            frame(seq, layout(seq % 3), None if self._kinds[seq] == "good" else [])
            for seq in seqs
            if self._kinds[seq] != "gap"
        ]
        self._unacknowledged.append(seqs[-1])
        give(self.session, *frames, gaps=[gap(seq, seq) for seq in seqs if self._kinds[seq] == "gap"])

    def answer(self) -> None:
        if self._asked:
            message = layout_to_wire(self._by_id[self._asked.pop(0)])
            self._known.learn(message)
            self.session.layout_came(message.id)

    def commit(self) -> None:
        if self._offered:
            done = self._offered.pop(0)
            came = [one.frame.seq for one in done.frames] + [one.frame.seq for one in done.rejected]
            self.settled += sorted(came + [one.first_seq for one in done.gaps])
            self.session.settle(done)

    def acknowledge(self) -> None:
        ack = self.session.ack(self._pace)
        assert ack.durable_seq == (self.settled[-1] if self.settled else 0)
        self._unacknowledged = [seq for seq in self._unacknowledged if seq > ack.durable_seq]

    def look(self) -> None:
        self._offered += take(self.session)
        self._asked += self.session.wanted_layouts()


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), max_size=12),
    window=st.integers(1, 5),
    rng=st.randoms(use_true_random=False),
)
def test_everything_that_was_sent_is_settled_exactly_once_and_in_order(
    sizes: list[int], window: int, rng: random.Random
) -> None:
    """Whatever the order in which batches, layouts, commits and acks follow each other."""
    story = Story(sizes, window, rng)
    steps = [story.send, story.answer, story.commit, story.acknowledge]
    for step in [rng.choice(steps) for _ in range(60)] + steps * (len(sizes) + 3):
        step()
        story.look()
    assert story.settled == story.sent
    assert (story.session.offered_bytes, story.session.allowance.unsettled_bytes) == (0, 0)


def test_how_old_a_frame_may_be_can_change_while_it_runs() -> None:
    running = session()
    give(running, frame(1))
    running.keep_to(60.0)
    give(running, frame(2), frame(3, time_us=now_us()))
    (last,) = take(running)[-1:]
    assert [one.frame.seq for one in last.rejected] == [2]
    running.keep_to(OLDEST_SECONDS)
    give(running, frame(4))
    (last,) = take(running)
    assert last.rejected == []
