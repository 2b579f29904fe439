"""What becomes of a spool that has no room, or a disk that refuses; what is told of it; and which stream goes on."""

from __future__ import annotations

import errno
import logging
import random

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.recorded_files import Disk, MemoryDirectory
from tests.collectord.spool_samples import BOOT, OTHER_BOOT, is_sample, read_all, sample

ROOMY = Limits(10**6, 0)
SMALL = Limits(16 * 400, 0)


def opened(disk: Disk, limits: Limits = ROOMY, boot: bytes = BOOT) -> Spool:
    return Spool(MemoryDirectory(disk), limits, boot)


def fresh_disk(capacity: int = 10**7) -> Disk:
    return Disk(random.Random(0), capacity)


def filled(spool: Spool, frames: int, start: int = 1) -> bytes:
    for number in range(start, start + frames):
        spool.append(*sample(number))
    return spool.state.streams[-1].stream


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["sysmon_event"] for record in caplog.records]


def test_beyond_its_bytes_the_oldest_segment_goes_and_is_a_gap_before_what_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spool = opened(fresh_disk(), SMALL)
    stream = filled(spool, 500)
    held = read_all(spool, stream)
    assert spool.state.bytes <= SMALL.most_bytes
    assert 20 < len(held.frames) < 500
    assert list(held.frames) == list(range(501 - len(held.frames), 501))
    assert held.lost == dict.fromkeys(range(1, 501 - len(held.frames)), pb.GAP_REASON_SHED)
    assert (spool.state.shed, spool.state.unacknowledged) == (len(held.lost), len(held.frames))
    assert events(caplog) == ["spool.full"]


def test_a_gap_is_told_in_one_piece_and_is_settled_like_frames(caplog: pytest.LogCaptureFixture) -> None:
    spool = opened(fresh_disk(), SMALL)
    stream = filled(spool, 500)
    first = spool.read(stream, 0, 1, 10**6)
    [gap] = first.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (1, 500 - spool.state.unacknowledged, pb.GAP_REASON_SHED)
    spool.acknowledge(stream, gap.last_seq)
    assert spool.read(stream, 0, 1, 10**6).gaps == []
    with caplog.at_level(logging.INFO):
        spool.acknowledge(stream, 500)
    assert events(caplog) == ["spool.full", "spool.drained"]
    assert spool.state.unacknowledged == 0


def test_the_reason_of_a_gap_outlives_a_restart_and_a_later_segment() -> None:
    disk = fresh_disk()
    spool = opened(disk, Limits(16 * 2000, 0))
    stream = filled(spool, 10)
    disk.refuses = errno.ENOSPC
    disk.taken_by_others = disk.free
    spool.append(*sample(11))
    disk.refuses, disk.taken_by_others = 0, 0
    filled(spool, 200, start=12)
    assert {seq: reason for seq, reason in read_all(spool, stream).lost.items() if seq == 11} == {
        11: pb.GAP_REASON_SHED
    }
    again = opened(disk, Limits(16 * 2000, 0))
    assert read_all(again, stream).lost[11] == pb.GAP_REASON_SHED
    assert again.state.damaged == 0


def test_where_others_take_the_room_the_oldest_goes_one_segment_at_a_time_but_never_the_last() -> None:
    disk = fresh_disk()
    limits = Limits(16 * 400, 1000)
    spool = opened(disk, limits)
    filled(spool, 50)
    before = sorted(disk.entries)
    assert len(before) > 5
    disk.taken_by_others = disk.capacity - sum(len(one.data) for one in disk.entries.values()) - 900
    filled(spool, 1, start=51)
    assert set(before) - set(disk.entries) == {before[0]}
    disk.taken_by_others += 800
    filled(spool, 10, start=52)
    stream = spool.state.streams[-1].stream
    assert 61 in read_all(spool, stream).frames
    assert spool.state.unacknowledged > 0


def test_a_disk_with_room_for_little_more_than_a_frame_keeps_the_newest() -> None:
    disk = fresh_disk(capacity=700)
    spool = opened(disk)
    stream = filled(spool, 100)
    held = read_all(spool, stream)
    assert 100 in held.frames
    assert held.lost
    assert set(held.lost.values()) == {pb.GAP_REASON_SHED}
    assert not spool.state.failing


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_costs_nothing_that_stays_in_memory_and_is_told_of_once(
    error: int, caplog: pytest.LogCaptureFixture
) -> None:
    disk = fresh_disk()
    spool = opened(disk)
    stream = filled(spool, 3)
    disk.refuses, disk.refuses_all = error, True
    issued = [spool.append(*sample(number)) for number in (4, 5)]
    assert [(one.stream, one.frame.seq) for one in issued] == [(stream, 4), (stream, 5)]
    spool.sync()
    assert spool.state.failing
    held = read_all(spool, stream)
    assert (list(held.frames), list(held.lost)) == ([1, 2, 3, 4, 5], [])
    disk.refuses, disk.refuses_all = 0, False
    with caplog.at_level(logging.INFO):
        filled(spool, 2, start=6)
        spool.sync()
    # Writing fails, and syncing.
    assert events(caplog) == ["spool.failing", "spool.failing", "spool.well"]
    assert not spool.state.failing
    held = read_all(spool, stream)
    assert (list(held.frames), list(held.lost)) == ([1, 2, 3, 4, 5, 6, 7], [])
    assert (spool.state.damaged, spool.state.unacknowledged) == (0, 7)


def test_a_full_disk_that_frees_nothing_costs_old_frames_first() -> None:
    disk = fresh_disk()
    spool = opened(disk, SMALL)
    stream = filled(spool, 60)
    disk.refuses = errno.ENOSPC
    for number in range(61, 70):
        spool.append(*sample(number))
    held = read_all(spool, stream)
    assert set(held.lost.values()) == {pb.GAP_REASON_SHED}
    assert list(held.lost) == list(range(1, 61))
    assert list(held.frames) == list(range(61, 70))
    disk.refuses = 0
    filled(spool, 1, start=70)
    assert 70 in read_all(spool, stream).frames


def test_only_what_is_settled_is_deleted_and_a_drained_spool_is_small() -> None:
    disk = fresh_disk()
    spool = opened(disk, Limits(16 * 2000, 0))
    stream = filled(spool, 200)
    files = len(disk.entries)
    assert files > 5
    spool.acknowledge(stream, 100)
    assert 2 < len(disk.entries) < files
    assert list(read_all(spool, stream).frames) == list(range(101, 201))
    spool.acknowledge(stream, 10**9)
    assert (len(disk.entries), spool.state.unacknowledged) == (1, 0)
    assert spool.state.streams[-1].acknowledged_seq == 200, "no more is settled than was given out"
    assert spool.append(*sample(201)).frame.seq == 201


def test_what_was_acknowledged_is_not_sent_again_after_a_restart() -> None:
    disk = fresh_disk()
    spool = opened(disk)
    stream = filled(spool, 10)
    spool.acknowledge(stream, 7)
    spool.append(*sample(11))
    again = opened(disk)
    assert list(read_all(again, stream).frames) == [8, 9, 10, 11]
    again.acknowledge(stream, 9)
    again.close()
    assert list(read_all(opened(disk), stream).frames) in ([8, 9, 10, 11], [10, 11])


@pytest.mark.parametrize(
    ("clean", "boot", "goes_on"),
    [(True, BOOT, True), (True, OTHER_BOOT, False), (False, BOOT, True), (False, OTHER_BOOT, False)],
)
def test_a_stream_goes_on_unless_the_machine_may_have_forgotten_its_end(
    clean: bool, boot: bytes, goes_on: bool
) -> None:
    disk = fresh_disk()
    spool = opened(disk)
    stream = filled(spool, 5)
    if clean:
        spool.close()
    again = opened(disk, boot=boot)
    issued = again.append(*sample(6))
    assert (issued.stream == stream, issued.frame.seq) == (goes_on, 6 if goes_on else 1)
    assert list(read_all(again, stream).frames) == ([1, 2, 3, 4, 5, 6] if goes_on else [1, 2, 3, 4, 5])
    streams = [one.stream for one in again.state.streams]
    assert streams == ([stream] if goes_on else [stream, issued.stream])
    again.acknowledge(stream, 5)
    assert [one.stream for one in again.state.streams] == [issued.stream]


def test_a_power_cut_right_after_a_clean_start_does_not_give_seqs_out_twice() -> None:
    for seed in range(20):
        disk = Disk(random.Random(seed), 10**7)
        spool = opened(disk)
        stream = filled(spool, 5)
        spool.close()
        issued = opened(disk).append(*sample(6))
        assert (issued.stream, issued.frame.seq) == (stream, 6)
        disk.lose_power()
        assert opened(disk, boot=OTHER_BOOT).state.streams[-1].stream != stream


def test_what_waits_when_a_new_stream_is_begun_stays_in_the_old_one() -> None:
    disk = fresh_disk()
    spool = opened(disk)
    old = filled(spool, 3)
    spool.rotate()
    new = filled(spool, 2)
    assert old != new
    for one in (spool, opened(disk)):
        assert [state.stream for state in one.state.streams] == [old, new]
        assert list(read_all(one, old).frames) == [1, 2, 3]
        assert list(read_all(one, new).frames) == [1, 2]
    assert spool.time_of(old, 2) == spool.time_of(new, 2) == sample(2)[0]
    assert spool.time_of(old, 4) is None
    spool.acknowledge(old, 3)
    assert [state.stream for state in spool.state.streams] == [new]
    assert spool.read(old, 0, 10, 10**6).last_seq == 0


def test_a_portion_keeps_to_its_bounds_from_memory_and_from_disk() -> None:
    disk = fresh_disk()
    stream = filled(opened(disk), 30)
    from_disk = opened(disk)
    spool = from_disk
    for _ in range(2):
        assert [frame.seq for frame in spool.read(stream, 0, 4, 10**6).frames] == [1, 2, 3, 4]
        assert [frame.seq for frame in spool.read(stream, 4, 4, 1).frames] == [5]
        assert [frame.seq for frame in spool.read(stream, 28, 4, 10**6).frames] == [29, 30]
        assert spool.read(stream, 30, 4, 10**6).last_seq == 0
        size = len(spool.read(stream, 8, 1, 10**6).frames[0].SerializeToString())
        assert len(spool.read(stream, 8, 30, 4 * size).frames) <= 4
        spool = opened(fresh_disk())
        stream = filled(spool, 30)


def test_frames_of_late_are_read_without_the_disk() -> None:
    disk = fresh_disk()
    spool = opened(disk)
    stream = filled(spool, 10)
    for content in disk.entries.values():
        content.data = b""
    held = read_all(spool, stream)
    assert all(is_sample(held.frames[seq], seq) for seq in range(1, 11))


@pytest.mark.parametrize("seed", range(10))
def test_what_was_synced_outlives_a_power_cut_in_every_segment(seed: int) -> None:
    disk = Disk(random.Random(seed), 10**7)
    spool = opened(disk, Limits(16 * 600, 0))
    stream = filled(spool, 40)
    assert len(disk.entries) > 4
    spool.sync()
    filled(spool, 3, start=41)
    disk.lose_power()
    held = read_all(opened(disk, boot=OTHER_BOOT), stream)
    assert set(range(1, 41)) <= set(held.frames)
    assert all(is_sample(frame, seq) for seq, frame in held.frames.items())


@pytest.mark.parametrize("seed", range(10))
def test_what_was_settled_and_deleted_does_not_look_lost_after_a_power_cut(seed: int) -> None:
    disk = Disk(random.Random(seed), 10**7)
    spool = opened(disk, Limits(16 * 600, 0))
    stream = filled(spool, 40)
    spool.sync()
    spool.acknowledge(stream, 20)
    # All that was changed in the directory is there, and of the files what was synced.
    MemoryDirectory(disk).sync()
    disk.lose_power()
    assert read_all(opened(disk, boot=OTHER_BOOT), stream).lost == {}


def test_events_outlive_a_restart_with_their_frame_and_count_for_every_limit() -> None:
    disk = fresh_disk()
    spool = opened(disk, SMALL)
    happened = [pb.Event(kind="unit.failed", message="x" * 300, fields={"n": str(number)}) for number in range(3)]
    for number in range(1, 51):
        spool.append(*sample(number), events=happened)
    stream = spool.state.streams[-1].stream
    # The head of the newest segment may be too much.
    assert spool.state.bytes <= SMALL.most_bytes + 500
    assert 0 < spool.state.unacknowledged < 10, "with events no more fit"
    spool.close()
    spool = opened(disk, SMALL, OTHER_BOOT)
    held = read_all(spool, stream, most_frames=100, most_bytes=1500)
    assert list(held.frames)[-1] == 50
    assert all(list(frame.events) == happened for frame in held.frames.values())
    assert len(spool.read(stream, 0, 100, 1500).frames) == 1, "two would be more than 1,500 bytes"
