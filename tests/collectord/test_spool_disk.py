"""The spool on real files: one collector at a time, kill -9, a real file system that is full, threads."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.files import DiskDirectory, boot_id
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.thread import FileThread
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.config import UserError
from tests.collectord.spool_samples import is_sample, read_all, sample

LIMITS = Limits(10**7, 0)
ROOT = Path(__file__).parents[2]

APPENDS = """
import sys
from pathlib import Path
from sysmonstm.collectord.spool.files import DiskDirectory, boot_id
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.spool_samples import sample

spool = Spool(DiskDirectory(Path(sys.argv[1])), Limits(10**7, 0), boot_id())
for number in range(spool.state.streams[-1].newest_seq + 1, 10**9):
    issued = spool.append(*sample(number))
    print(issued.stream.hex(), issued.frame.seq, flush=True)
"""


def test_what_was_appended_outlives_kill_9_and_the_stream_goes_on(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    for _ in range(4):
        command = [sys.executable, "-c", APPENDS, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            for _ in range(300):
                stream, seq = child.stdout.readline().split()
                told.append((stream, int(seq)))
            os.kill(child.pid, signal.SIGKILL)
            # What it said before it died counts too; it may have died in the middle of a word.
            rest = [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
            told += [(stream, int(seq)) for stream, seq in rest]
    spool = Spool(DiskDirectory(tmp_path), LIMITS, boot_id())
    found = {
        (state.stream.hex(), seq)
        for state in spool.state.streams
        for seq, frame in read_all(spool, state.stream, most_frames=500).frames.items()
        if is_sample(frame, seq)
    }
    assert len(told) == len(set(told)) >= 1200
    assert set(told) <= found
    assert spool.state.damaged == spool.state.shed == 0


def test_a_second_collector_in_one_directory_is_refused_with_a_hint(tmp_path: Path) -> None:
    first = DiskDirectory(tmp_path / "spool")
    with pytest.raises(UserError, match=r"another collector keeps its samples in .*COLLECTOR_SPOOL_DIRECTORY"):
        DiskDirectory(tmp_path / "spool")
    first.close()
    DiskDirectory(tmp_path / "spool").close()


def test_a_directory_that_cannot_be_made_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"samples cannot be kept in .*file.*COLLECTOR_SPOOL_DIRECTORY"):
        DiskDirectory(tmp_path / "file" / "below")


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    spool = Spool(DiskDirectory(tmp_path / "above" / "spool"), LIMITS, boot_id())
    spool.append(*sample(1))
    spool.close()
    assert stat.S_IMODE((tmp_path / "above" / "spool").stat().st_mode) == 0o700
    files = list((tmp_path / "above" / "spool").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_does_not_belong_to_it_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1.spool", "00000000000000000001.spool.bak"):
        (tmp_path / name).write_text("mine")
    spool = Spool(DiskDirectory(tmp_path), LIMITS, boot_id())
    stream = spool.append(*sample(1)).stream
    spool.acknowledge(stream, 1)
    spool.close()
    assert {file.name for file in tmp_path.iterdir() if file.read_bytes() == b"mine"} == {
        "notes.txt",
        "1.spool",
        "00000000000000000001.spool.bak",
    }


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("free_bytes", [0, 512 * 1024, 256 * 1024 * 1024])
def test_a_real_file_system_of_4_mib_filled_threefold_keeps_the_newest(
    small_file_system: Path, free_bytes: int
) -> None:
    limits = Limits(512 * 1024 * 1024, free_bytes)
    spool = Spool(DiskDirectory(small_file_system / "spool"), limits, boot_id())
    stream = spool.state.streams[-1].stream
    time_us, layout, _ = sample(0)
    size = 12 * 1024
    for seq in range(1, 3 * 4 * 1024 * 1024 // size):
        spool.append(time_us + seq, layout, [float(seq)] * (size // 4))
    newest = spool.state.streams[-1].newest_seq
    assert not spool.state.failing
    for one in (spool, _reopened(spool, small_file_system / "spool", limits)):
        held = read_all(one, stream, most_frames=50)
        assert len(held.frames) + len(held.lost) == newest
        assert max(held.lost) < min(held.frames)
        assert set(held.lost.values()) == {pb.GAP_REASON_SHED}
        assert all(frame.values[0] == seq for seq, frame in held.frames.items())
        # By far the most of the room is used, unless it is to stay free.
        assert len(held.frames) * size > (3 * 1024 * 1024 if free_bytes < 1024 * 1024 else 0)


def _reopened(spool: Spool, directory: Path, limits: Limits) -> Spool:
    spool.close()
    return Spool(DiskDirectory(directory), limits, boot_id())


def test_a_file_system_that_others_fill_to_the_brim_is_survived(small_file_system: Path) -> None:
    spool = Spool(DiskDirectory(small_file_system / "spool"), Limits(512 * 1024 * 1024, 0), boot_id())
    stream = spool.append(*sample(1)).stream
    hog = os.open(small_file_system / "hog", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(hog, bytes(4096))
    except OSError:
        pass
    for number in range(2, 300):
        spool.append(*sample(number))
        spool.sync()
    os.ftruncate(hog, 0)
    os.close(hog)
    spool.append(*sample(300))
    held = read_all(spool, stream)
    assert 300 in held.frames
    assert not spool.state.failing
    assert len(held.frames) + len(held.lost) == 300
    spool.close()


async def test_the_outbox_does_what_the_spool_does(tmp_path: Path) -> None:
    outbox = await Outbox.open(tmp_path, LIMITS)
    await outbox.acknowledged_all()
    stream = outbox.current_stream
    for number in range(1, 6):
        issued = await outbox.append(*sample(number))
        assert (issued.stream, issued.frame.seq) == (stream, number)
    assert (outbox.first_stream(), outbox.newest_seq(stream), outbox.unacknowledged) == (stream, 5, 5)
    assert [frame.seq for frame in (await outbox.read(stream, 1, 3, 10**6)).frames] == [2, 3, 4]
    assert await outbox.time_of(stream, 2) == sample(2)[0]
    assert await outbox.layout(sample(2)[1].id) == sample(2)[1]
    assert await outbox.layout(b"?") is None
    await outbox.rotate()
    assert (outbox.first_stream() == stream, outbox.current_stream == stream) == (True, False)
    settled = asyncio.create_task(outbox.acknowledged_all())
    await outbox.acknowledge(stream, 4)
    await asyncio.sleep(0)
    assert not settled.done()
    await outbox.acknowledge(stream, 5)
    await settled
    assert outbox.first_stream() == outbox.current_stream
    await outbox.close()
    again = await Outbox.open(tmp_path, LIMITS)
    assert again.unacknowledged == 0
    await again.close()


async def test_no_more_is_settled_than_was_given_out(tmp_path: Path) -> None:
    outbox = await Outbox.open(tmp_path, LIMITS)
    stream = (await outbox.append(*sample(1))).stream
    await outbox.acknowledge(stream, 10)
    await outbox.acknowledge(b"another stream's", 10)
    assert (outbox.unacknowledged, outbox.acknowledged_seq(stream)) == (0, 1)
    await outbox.append(*sample(2))
    assert (outbox.unacknowledged, outbox.acknowledged_seq(stream)) == (1, 1)
    assert [frame.seq for frame in (await outbox.read(stream, 0, 9, 10**6)).frames] == [2]
    await outbox.close()


async def test_an_outbox_in_use_is_refused_and_leaves_no_thread(tmp_path: Path) -> None:
    outbox = await Outbox.open(tmp_path, LIMITS)
    threads = threading.active_count()
    with pytest.raises(UserError):
        await Outbox.open(tmp_path, LIMITS)
    await outbox.close()
    deadline = time.monotonic() + 30
    while threading.active_count() >= threads:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_what_a_cancelled_caller_asked_for_is_done_and_known(tmp_path: Path) -> None:
    outbox = await Outbox.open(tmp_path, LIMITS)
    append = asyncio.create_task(outbox.append(*sample(1)))
    await asyncio.sleep(0)
    append.cancel()
    assert (await outbox.append(*sample(2))).frame.seq == 2
    assert outbox.unacknowledged == 2
    await outbox.close()


async def test_the_thread_syncs_within_its_time_and_not_where_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysmonstm.collectord.spool.thread.SYNC_SECONDS", 0.05)
    thread = FileThread("test")
    waits, syncs = [True], list[int]()

    def sync() -> None:
        waits.clear()
        syncs.append(threading.get_ident())

    await thread.call(lambda: thread.keep_synced(lambda: bool(waits), sync))
    deadline = time.monotonic() + 30
    while not syncs:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert syncs == [await thread.call(threading.get_ident)]
    thread.close()


async def test_a_thread_gives_errors_to_the_caller_and_those_of_a_sync_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sysmonstm.collectord.spool.thread.SYNC_SECONDS", 0.01)
    thread = FileThread("test")

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await thread.call(fails)
    assert await thread.call(lambda: 1) == 1
    await thread.call(lambda: thread.keep_synced(lambda: True, fails))
    await asyncio.sleep(0.1)
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1)
    thread.close()
