"""Frames that the disk does not take: they are sent from memory, and lost only when they drop out of it."""

from __future__ import annotations

import errno
import logging
import random

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.recent import MOST_BYTES, MOST_FRAMES
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.recorded_files import Disk, MemoryDirectory
from tests.collectord.spool_samples import BOOT, OTHER_BOOT, is_sample, read_all, sample

ERRORS = pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSPC, pb.GAP_REASON_SHED),
        (errno.EIO, pb.GAP_REASON_DAMAGED),
        (errno.EROFS, pb.GAP_REASON_DAMAGED),
    ],
)


def opened(disk: Disk, boot: bytes = BOOT) -> Spool:
    return Spool(MemoryDirectory(disk), Limits(10**6, 0), boot)


def refusing_disk(error: int) -> Disk:
    return Disk(random.Random(0), refuses=error, refuses_all=error != errno.ENOSPC)


def filled(spool: Spool, first: int, last: int) -> bytes:
    for number in range(first, last + 1):
        spool.append(*sample(number))
    return spool.state.streams[-1].stream


@ERRORS
def test_what_cannot_be_written_is_sent_from_memory(error: int, reason: pb.GapReason) -> None:
    spool = opened(refusing_disk(error))
    stream = filled(spool, 1, 5)
    held = read_all(spool, stream)
    assert list(held.frames) == [1, 2, 3, 4, 5]
    assert all(is_sample(frame, seq) for seq, frame in held.frames.items())
    assert (spool.state.unacknowledged, spool.state.shed, spool.state.damaged) == (5, 0, 0)
    assert spool.state.failing
    spool.acknowledge(stream, 4)
    assert list(read_all(spool, stream).frames) == [5]


@ERRORS
def test_it_is_lost_when_it_drops_out_of_memory_unacknowledged(error: int, reason: pb.GapReason) -> None:
    spool = opened(refusing_disk(error))
    stream = filled(spool, 1, 10)
    spool.acknowledge(stream, 3)
    filled(spool, 11, MOST_FRAMES + 8)
    held = read_all(spool, stream)
    assert held.lost == dict.fromkeys(range(4, 9), reason)
    assert list(held.frames) == list(range(9, MOST_FRAMES + 9))
    assert spool.state.shed + spool.state.damaged == 5
    assert spool.state.unacknowledged == MOST_FRAMES


@ERRORS
def test_it_is_in_order_with_what_is_on_disk_on_either_side(error: int, reason: pb.GapReason) -> None:
    disk = Disk(random.Random(0))
    filled(opened(disk), 1, 3)
    spool = opened(disk)
    # Nothing can be deleted either, or what is on disk would be shed.
    disk.refuses, disk.refuses_all = error, True
    stream = filled(spool, 4, 6)
    disk.refuses, disk.refuses_all = 0, False
    filled(spool, 7, 9)
    held = read_all(spool, stream, most_frames=2)
    assert list(held.frames) == list(range(1, 10))
    assert all(is_sample(frame, seq) for seq, frame in held.frames.items())
    # It is on no disk.
    again = read_all(opened(disk), stream)
    assert {seq: again.lost[seq] for seq in (4, 5, 6)} == dict.fromkeys((4, 5, 6), reason)
    assert {7, 8, 9} <= set(again.frames)


def test_the_newest_is_in_memory_however_large_it_is() -> None:
    spool = opened(refusing_disk(errno.EIO))
    time_us, layout, _ = sample(0)
    stream = filled(spool, 1, 2)
    spool.append(time_us, layout, [1.0] * (MOST_BYTES // 2))
    held = read_all(spool, stream)
    assert (list(held.lost), list(held.frames)) == ([1, 2], [3])


def test_what_is_unwritten_in_an_old_stream_is_lost_with_the_first_frame_of_the_next() -> None:
    spool = opened(refusing_disk(errno.EIO))
    old = filled(spool, 1, 2)
    spool.rotate()
    assert list(read_all(spool, old).frames) == [1, 2]
    new = filled(spool, 3, 3)
    assert list(read_all(spool, old).lost) == [1, 2]
    assert list(read_all(spool, new).frames) == [1]


def test_the_log_says_what_becomes_of_samples(caplog: pytest.LogCaptureFixture) -> None:
    disk = refusing_disk(errno.EIO)
    spool = opened(disk)
    with caplog.at_level(logging.INFO):
        filled(spool, 1, 2)
        disk.refuses, disk.refuses_all = 0, False
        filled(spool, 3, 3)
    assert len(caplog.messages) == 2
    assert f"the newest, {MOST_FRAMES} at most, are kept in memory" in caplog.messages[0]


@pytest.mark.parametrize("boot", [BOOT, OTHER_BOOT])
def test_no_seq_is_given_out_again_after_a_restart(boot: bytes) -> None:
    disk = Disk(random.Random(0))
    spool = opened(disk)
    stream = filled(spool, 1, 3)
    disk.refuses = errno.EIO
    filled(spool, 4, 5)
    disk.refuses = 0
    again = opened(disk, boot)
    issued = again.append(*sample(6))
    assert issued.stream != stream
