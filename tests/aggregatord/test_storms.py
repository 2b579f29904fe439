"""A machine that tells of too much is cut short, and it is said how much was dropped."""

from __future__ import annotations

import itertools

import pytest

from sysmonstm.aggregatord import storms as storms_module
from sysmonstm.aggregatord.session import CheckedBatch, refused
from sysmonstm.aggregatord.storms import BURST, EVENTS_PER_MINUTE, TELL_SECONDS, Storms
from tests.aggregatord.history_batches import batch_of, session
from tests.aggregatord.samples import event, frame, layout, telling

PER_FRAME = 100


_firsts = itertools.count(1_000, 1_000)


def telling_batch(frames: int, each: int = PER_FRAME, machine: str = "web1", first: int = 0) -> CheckedBatch:
    """A batch that goes on with new seqs, unless told the first."""
    first = first or next(_firsts)
    batch = batch_of(session(machine), range(first, first + frames))
    for one in batch.frames:
        telling(one.frame, *(event() for _ in range(each)))
    return batch


def told(batch: CheckedBatch) -> int:
    return sum(len(one.frame.events) for one in batch.frames)


def test_what_a_machine_has_kept_for_a_day_is_let_through_and_a_storm_is_not() -> None:
    storms = Storms()
    backlog = telling_batch(BURST // PER_FRAME)
    storms.thin(backlog, now=0.0)
    assert (told(backlog), backlog.dropped_events, storms.dropped) == (BURST, 0, 0)
    storm = telling_batch(2)
    storms.thin(storm, now=0.0)
    assert (told(storm), storm.dropped_events, storms.dropped) == (0, 200, 200)


def test_after_a_storm_so_many_a_minute_are_let_through(caplog: pytest.LogCaptureFixture) -> None:
    storms = Storms()
    storms.thin(telling_batch(1 + BURST // PER_FRAME), now=0.0)
    kept = 0
    for second in range(1, 601):
        batch = telling_batch(1, each=10)
        storms.thin(batch, now=float(second))
        kept += told(batch)
    assert kept == 10 * EVENTS_PER_MINUTE
    assert len([message for message in caplog.messages if "tells of more than" in message]) == 1


def test_the_first_events_are_kept_those_of_refused_frames_too() -> None:
    storms = Storms()
    storms.thin(telling_batch(1, each=BURST - 3, first=1), now=0.0)
    batch = telling_batch(2, each=1, first=2)
    batch.frames[1].frame.seq = batch.last_seq = 4
    good = telling(frame(3), *(event(n=str(number)) for number in range(3)))
    batch.rejected = [refused(good, layout(), "no")]
    storms.thin(batch, now=0.0)
    assert [one.fields["n"] for one in good.events] == ["0", "1"]
    assert ([len(one.frame.events) for one in batch.frames], batch.dropped_events) == ([1, 0], 2)


def test_it_is_told_at_once_and_then_now_and_again_by_whatever_comes_next() -> None:
    storms = Storms()
    storms.thin(telling_batch(BURST // PER_FRAME), now=0.0)
    said = []
    for now in (0.0, 1.0, 2.0, TELL_SECONDS, TELL_SECONDS + 1):
        batch = telling_batch(1, each=PER_FRAME) if now < TELL_SECONDS else telling_batch(1, each=0)
        storms.thin(batch, now)
        said.append(batch.dropped_events)
    # Two or three of the hundred were let through again each second.
    assert said == [100, 0, 0, 196, 0]
    assert storms.dropped == 296


def test_what_comes_again_is_not_counted_again_and_does_not_tell() -> None:
    storms = Storms()
    storms.thin(telling_batch(BURST // PER_FRAME - 1, first=1), now=0.0)
    # It was stored, whole; its collector did not hear of it.
    storms.thin(telling_batch(1, first=30), now=0.0)
    again = telling_batch(1, first=30)
    storms.thin(again, now=0.0)
    assert (told(again), again.dropped_events, storms.dropped) == (0, 0, 0)
    storms.thin(first := telling_batch(1, each=7, first=31), now=0.0)
    assert (first.dropped_events, storms.dropped) == (7, 7)
    # Half of it comes again, when it is time to tell of more.
    storms.thin(telling_batch(2, each=300, first=31), now=1.0)
    assert storms.dropped == 307
    again = telling_batch(2, each=0, first=31)
    storms.thin(again, now=TELL_SECONDS)
    assert again.dropped_events == 0
    storms.thin(more := telling_batch(2, each=0, first=32), now=TELL_SECONDS)
    assert more.dropped_events == 300
    other = batch_of(session("web1", b"other"), [1])
    telling(other.frames[0].frame, *(event() for _ in range(BURST)))
    storms.thin(other, now=TELL_SECONDS)
    assert storms.dropped > 307, "a new stream begins anew"


def test_machines_do_not_share_an_allowance_and_quiet_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storms_module, "MAX_MACHINES", 3)
    storms = Storms()
    for number in range(3):
        storms.thin(telling_batch(BURST // PER_FRAME, machine=f"web{number}"), now=0.0)
    storms.thin(telling_batch(1, machine="web3"), now=1.0)
    storm = telling_batch(1, machine="web0")
    storms.thin(storm, now=1.0)
    assert told(storm) == 2, "it has told of much lately and is not forgotten"
    storms.thin(telling_batch(1, machine="web4"), now=10_000.0)
    assert set(storms._machines) == {"web4"}
