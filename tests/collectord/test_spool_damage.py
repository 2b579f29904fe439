"""A spool of which any byte is changed, or any file is cut anywhere, opens, and tells frames or their loss."""

from __future__ import annotations

import random

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool import records
from sysmonstm.collectord.spool.records import HEADER_BYTES, Kind
from sysmonstm.collectord.spool.segment import records_of
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.recorded_files import Content, Disk, MemoryDirectory, MemoryFile
from tests.collectord.spool_samples import BOOT, LAYOUTS, OTHER_BOOT, is_sample, read_all, sample

FRAMES = 12
ACKNOWLEDGED = 2
# So that there are a few segments.
LIMITS = Limits(16 * 450, 0)


def opened(disk: Disk, boot: bytes = BOOT, limits: Limits = LIMITS) -> Spool:
    return Spool(MemoryDirectory(disk), limits, boot)


def small_spool(clean: bool) -> tuple[dict[str, bytes], bytes]:
    """The files of a spool of two streams, and the id of the first; sample `number` is frame `number` of its stream."""
    disk = Disk(random.Random(0))
    spool = opened(disk)
    first = spool.state.streams[-1].stream
    for number in range(1, FRAMES + 1):
        spool.append(*sample(number))
    spool.acknowledge(first, ACKNOWLEDGED)
    spool.rotate()
    for number in range(1, 4):
        spool.append(*sample(number))
    if clean:
        spool.close()
    return {name: content.data for name, content in disk.entries.items()}, first


def check(files: dict[str, bytes], first: bytes) -> tuple[Spool, set[tuple[bytes, int]]]:
    """Open it, read all of it, go on with it; the spool, and what can be read."""
    disk = Disk(random.Random(0), entries={name: Content(data, data) for name, data in files.items()})
    spool = opened(disk)
    found = set()
    lost = 0
    for state in spool.state.streams:
        held = read_all(spool, state.stream)
        for seq, frame in held.frames.items():
            assert is_sample(frame, seq)
            assert spool.layout(frame.layout_id) in LAYOUTS
            found.add((state.stream, seq))
        lost += len(held.lost)
        # What has no place in any gap is at the end of a stream: nobody knows of it.
        last = FRAMES if state.stream == first else 3
        assert len(held.frames) + len(held.lost) + state.acknowledged_seq == state.newest_seq <= last
    assert spool.state.damaged >= lost - spool.state.shed - ACKNOWLEDGED
    current = spool.state.streams[-1]
    issued = spool.append(*sample(99))
    assert (issued.stream, issued.frame.seq) == (current.stream, current.newest_seq + 1)
    assert is_sample(read_all(spool, issued.stream).frames[issued.frame.seq], 99)
    return spool, found


@pytest.mark.parametrize("clean", [True, False])
def test_what_is_not_damaged_is_all_there(clean: bool) -> None:
    files, first = small_spool(clean)
    assert len(files) > 3
    spool, found = check(files, first)
    assert len(found) == FRAMES - ACKNOWLEDGED + 3
    assert (spool.state.damaged, spool.state.shed) == (0, 0)


@pytest.mark.parametrize("clean", [True, False])
def test_any_byte_that_is_changed_costs_a_frame_at_most(clean: bool) -> None:
    files, first = small_spool(clean)
    whole = check(files, first)[1]
    for name, data in files.items():
        for place in range(len(data)):
            damaged = bytearray(data)
            damaged[place] ^= 1 << place % 8
            spool, found = check(files | {name: bytes(damaged)}, first)
            missing = whole - {(stream, seq) for stream, seq in found}
            assert len(missing) <= 1
            # The last of all has nothing behind it that would tell.
            assert spool.state.damaged == len(missing) or (max(files) == name and len(missing) == 1)


@pytest.mark.parametrize("clean", [True, False])
def test_a_file_that_is_cut_anywhere_costs_what_is_behind_the_cut(clean: bool) -> None:
    files, first = small_spool(clean)
    whole = check(files, first)[1]
    for name, data in files.items():
        here = set(frames_in(data))
        for size in range(len(data)):
            found = check(files | {name: data[:size]}, first)[1]
            assert {seq for _, seq in whole - found} <= here
            # What was settled comes again, if that is what was cut off.
            assert {seq for _, seq in found - whole} <= set(range(1, ACKNOWLEDGED + 1))


def frames_in(data: bytes) -> list[int]:
    header = records.decoded_header(data)
    assert header is not None
    file = MemoryFile(Disk(random.Random(0)), Content(data))
    return [one.seq for one in records_of(file, header.salt, HEADER_BYTES, len(data)) if one.kind == Kind.FRAME]


def test_a_segment_that_is_gone_is_a_gap() -> None:
    files, first = small_spool(clean=True)
    names = sorted(files)
    seqs = frames_in(files[names[1]])
    del files[names[1]]
    disk = Disk(random.Random(0), entries={name: Content(data, data) for name, data in files.items()})
    spool = opened(disk)
    assert read_all(spool, first).lost == dict.fromkeys(seqs, pb.GAP_REASON_DAMAGED)
    assert spool.state.damaged == len(seqs)
    read_all(spool, first)
    assert spool.state.damaged == len(seqs), "what was counted once is not counted again"


def test_a_first_segment_that_says_nothing_is_a_gap_by_damage() -> None:
    files, first = small_spool(clean=True)
    name = min(files)
    seqs = [seq for seq in frames_in(files[name]) if seq > ACKNOWLEDGED]
    files[name] = bytes(len(files[name]))
    disk = Disk(random.Random(0), entries={name: Content(data, data) for name, data in files.items()})
    lost = read_all(opened(disk), first).lost
    assert set(seqs) <= set(lost)
    assert set(lost.values()) == {pb.GAP_REASON_DAMAGED}
    assert name not in disk.entries


def test_a_newest_segment_that_says_nothing_begins_a_new_stream_and_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    files, _ = small_spool(clean=True)
    streams = {records.decoded_header(data).stream for data in files.values()}  # type: ignore[union-attr]
    files[max(files)] = b"?" * 300
    disk = Disk(random.Random(0), entries={name: Content(data, data) for name, data in files.items()})
    spool = opened(disk)
    assert spool.state.streams[-1].stream not in streams
    assert spool.state.damaged == 0
    assert [message for message in caplog.messages if "how many cannot be known" in message]


def test_a_frame_whose_layout_is_nowhere_is_lost_and_the_others_are_not() -> None:
    disk = Disk(random.Random(0))
    spool = opened(disk, limits=Limits(10**6, 0))
    stream = spool.state.streams[-1].stream
    for number in range(1, 7):
        spool.append(*sample(number))
    [name] = disk.entries
    data = disk.entries[name].data
    header = records.decoded_header(data)
    assert header is not None
    layout = next(
        one for one in records_of(MemoryFile(disk, Content(data)), header.salt, 0, len(data)) if one.kind == 2
    )
    disk.entries[name].data = data[: layout.start] + bytes(layout.end - layout.start) + data[layout.end :]
    again = opened(disk)
    held = read_all(again, stream)
    # The first layout is that of samples 1 and 4.
    assert (sorted(held.frames), sorted(held.lost)) == ([2, 3, 5, 6], [1, 4])
    assert again.layout(LAYOUTS[1].id) is None
    again.append(*sample(7))
    assert again.layout(LAYOUTS[1].id) == LAYOUTS[1]


def test_an_empty_spool_begins_a_stream_of_its_own() -> None:
    streams = {opened(Disk(random.Random(0)), OTHER_BOOT).state.streams[-1].stream for _ in range(10)}
    assert len(streams) == 10
    assert {len(stream) for stream in streams} == {16}
