from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmonstm.aggregatord.history import losses, portion
from sysmonstm.aggregatord.history.pending import MAX_HELLOS, MAX_HELLOS_PER_COMMIT, MAX_ROWS_PER_COMMIT, Pending
from sysmonstm.aggregatord.history.portion import Piece, Portion
from tests.aggregatord.history_batches import batch_of, rejected_frame, session, shed
from tests.aggregatord.samples import hello

kinds = st.lists(st.lists(st.sampled_from("frg"), max_size=12), max_size=5)


def made(kinds: list[list[str]]) -> Portion:
    """Batches of streams of their own; each letter is a frame, a refused frame or a gap of two."""
    pieces = []
    for number, letters in enumerate(kinds):
        seqs = [3 * place + 1 for place in range(len(letters))]
        chosen = {kind: [seq for seq, one in zip(seqs, letters, strict=True) if one == kind] for kind in "frg"}
        of = session(f"web{number}")
        rejected = [rejected_frame(seq, "no") for seq in chosen["r"]]
        gaps = [shed(seq, seq + 1) for seq in chosen["g"]]
        if letters:
            pieces.append(Piece.whole(batch_of(of, chosen["f"], gaps=gaps, rejected=rejected)))
    return Portion(tuple(pieces), tuple(hello(f"web{number}") for number in range(len(kinds))), {"web0": 2.0})


def leaves(one: Portion) -> Iterator[Portion]:
    if one.is_single:
        yield one
        return
    for half in one.halves():
        yield from leaves(half)


@settings(deadline=None)
@given(kinds)
def test_halving_ends_with_each_thing_once_and_in_order(kinds: list[list[str]]) -> None:
    whole = made(kinds)
    found = list(leaves(whole))
    assert [one for leaf in found for one in leaf.hellos] == list(whole.hellos)
    pieces = [piece for leaf in found for piece in leaf.pieces]
    for piece in whole.pieces:
        own = [one for one in pieces if one.origin is piece.origin]
        assert [frame for one in own for frame in one.frames] == list(piece.frames)
        assert [frame for one in own for frame in one.rejected] == list(piece.rejected)
        assert [gap for one in own for gap in one.gaps] == list(piece.gaps)
        seqs = [one.last_seq for one in own]
        assert seqs == sorted(seqs)
        assert seqs[-1] == piece.last_seq
        for one in own:
            assert one.last_time_us == (one.frames[-1].frame.time_us if one.frames else 0)


def test_a_frame_that_is_refused_moves_to_the_rejected_of_its_batch() -> None:
    batch = batch_of(session(), [1, 2, 3])
    bad = batch.frames[2]
    piece = portion.refuse(Piece.whole(batch), bad, "too odd")
    assert [one.frame.seq for one in batch.frames] == [1, 2]
    assert [(one.frame.seq, one.reason) for one in batch.rejected] == [(3, "too odd")]
    assert (batch.last_seq, batch.last_time_us) == (3, 0)
    assert (piece.last_seq, piece.last_time_us, len(piece.frames), len(piece.rejected)) == (3, 0, 0, 1)


@pytest.mark.parametrize(
    ("durable_seq", "gaps", "rejects"),
    [
        (0, [(3, 5)], [6]),
        (2, [(3, 5)], [6]),
        (3, [(4, 5)], [6]),
        (5, [], [6]),
        (6, [], []),
    ],
)
def test_only_what_lies_beyond_the_cursor_is_news(
    durable_seq: int, gaps: list[tuple[int, int]], rejects: list[int]
) -> None:
    of = session()
    batch = batch_of(of, [1, 2, 7], gaps=[shed(3, 5)], rejected=[rejected_frame(6, "no")])
    again = batch_of(of, [1, 2, 7], gaps=[shed(3, 5)], rejected=[rejected_frame(6, "no")])
    found = losses.news([Piece.whole(batch), Piece.whole(again)], {of.stream: durable_seq})
    assert [(one.first_seq, one.last_seq) for one in found.gaps] == gaps
    assert [one.rejected.frame.seq for one in found.rejects] == rejects


def test_what_is_taken_stays_until_it_is_done() -> None:
    pending = Pending()
    batches = [batch_of(session(f"web{number}"), range(1, 1001)) for number in range(7)]
    for batch in batches:
        pending.offer(batch)
    assert (pending.frames, pending.bytes) == (7000, sum(one.size_bytes for one in batches))
    taken = pending.take()
    assert sum(len(piece.frames) for piece in taken.portion.pieces) == MAX_ROWS_PER_COMMIT
    assert pending.frames == 7000
    # What the database refuses leaves the batch, and is counted as it came.
    portion.refuse(taken.portion.pieces[0], batches[0].frames[5], "no")
    assert pending.done(taken) == batches[:5]
    assert (pending.frames, pending.bytes) == (2000, sum(one.size_bytes for one in batches[5:]))
    assert pending.done(pending.take()) == batches[5:]
    assert not pending
    assert (pending.frames, pending.bytes) == (0, 0)


def test_hellos_are_kept_by_stream_and_the_newest_replaces_only_its_own() -> None:
    pending = Pending()
    twin = hello("web1")
    twin.stream = b"b" * 16
    for one in (hello("web1", os="old"), twin, hello("web1", os="new")):
        pending.hello(one)
    taken = pending.take()
    assert taken.portion.hellos == (twin, hello("web1", os="new"))
    pending.hello(later := hello("web1", os="newest"))
    pending.done(taken)
    assert pending.take().portion.hellos == (later,)


def test_a_batch_does_not_go_before_the_hello_that_came_before_it() -> None:
    pending = Pending()
    for number in range(MAX_HELLOS_PER_COMMIT + 10):
        pending.hello(session(f"web{number}").hello)
    last = session(f"web{MAX_HELLOS_PER_COMMIT + 9}")
    pending.offer(batch_of(last, [1]))
    taken = pending.take()
    assert len(taken.hellos) == MAX_HELLOS_PER_COMMIT + 1
    assert last.stream in taken.hellos
    pending.answered(taken)
    assert pending.frames == 1
    assert len(pending.take().hellos) == 9


def test_hellos_are_bounded() -> None:
    pending = Pending()
    for number in range(MAX_HELLOS + 5):
        one = hello("web1")
        one.stream = number.to_bytes(16)
        pending.hello(one)
    left = 0
    while pending:
        taken = pending.take()
        left += len(taken.hellos)
        pending.done(taken)
    assert left == MAX_HELLOS


def test_a_skew_is_kept_only_if_it_is_off_by_more_than_a_second() -> None:
    pending = Pending()

    def taken() -> dict[str, float]:
        one = pending.take()
        pending.done(one)
        return dict(one.portion.skews)

    pending.skew("web1", 0.2)
    assert taken() == {"web1": 0.2}
    pending.skew("web1", 1.1)
    assert taken() == {}
    pending.skew("web1", 1.3)
    pending.skew("web1", -7.5)
    assert taken() == {"web1": -7.5}
    pending.skew("web1", 60.0)
    pending.skew("web1", -7.0)
    assert taken() == {}
    pending.forget_stored()
    pending.skew("web1", -7.0)
    assert taken() == {"web1": -7.0}
