"""The directory of a spool: whose rights it has, what else lies in it, and what if it is removed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from pathlib import Path

import pytest

from sysmonstm.collectord.spool.files import DiskDirectory, boot_id
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.config import UserError
from tests.collectord.recorded_files import Disk, MemoryDirectory, MemoryFile
from tests.collectord.spool_samples import BOOT, is_sample, read_all, sample

LIMITS = Limits(10**7, 0)
NAME = "00000000000000000001.spool"


def opened(path: Path) -> Spool:
    return Spool(DiskDirectory(path), LIMITS, boot_id())


def test_a_directory_that_was_there_keeps_its_rights(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    spool = opened(shared)
    spool.append(*sample(1))
    spool.close()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(file.stat().st_mode) for file in shared.iterdir()} == {0o600}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero")])
def test_what_is_no_file_in_the_place_of_one_is_passed_over(
    tmp_path: Path, make: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(make)
    make(tmp_path / NAME)
    spool = opened(tmp_path)
    stream = spool.append(*sample(1)).stream
    spool.close()
    assert len(caplog.messages) == 1
    assert NAME in str(vars(caplog.records[0]))
    assert is_sample(read_all(opened(tmp_path), stream).frames[1], 1)
    assert (tmp_path / NAME).lstat()


def test_a_file_that_may_not_be_opened_is_refused_with_a_hint() -> None:
    class Forbidding(MemoryDirectory):
        def open(self, name: str) -> MemoryFile:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    disk = Disk(random.Random(0))
    Spool(MemoryDirectory(disk), LIMITS, BOOT).append(*sample(1))
    with pytest.raises(UserError, match=rf"{NAME} may not be read.*COLLECTOR_SPOOL_DIRECTORY"):
        Spool(Forbidding(disk), LIMITS, BOOT)
    assert list(disk.entries) == [NAME]


def test_a_directory_that_is_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = opened(path)
    stream = spool.append(*sample(1)).stream
    shutil.rmtree(path)
    for number in (2, 3):
        spool.append(*sample(number))
    assert not spool.state.failing
    # What the directory took with it is in memory yet.
    assert list(read_all(spool, stream).frames) == [1, 2, 3]
    with pytest.raises(UserError, match="another collector"):
        opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    spool.close()
    held = read_all(opened(path), stream)
    assert (list(held.lost), list(held.frames)) == ([1], [2, 3])


def test_one_that_is_removed_before_the_first_sample_is_too(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    opened(path).close()
    spool = opened(path)
    shutil.rmtree(path)
    spool.append(*sample(1))
    assert not spool.state.failing
    assert len(list(path.glob("*.spool"))) == 1


def test_files_that_are_removed_are_written_anew(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    stream = spool.append(*sample(1)).stream
    for file in tmp_path.glob("*.spool"):
        file.unlink()
    spool.append(*sample(2))
    spool.close()
    assert list(read_all(opened(tmp_path), stream).frames) == [2]


def test_where_it_cannot_be_made_again_samples_are_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "above" / "spool"
    spool = opened(path)
    stream = spool.append(*sample(1)).stream
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    spool.append(*sample(2))
    assert spool.state.failing
    assert list(read_all(spool, stream).frames) == [1, 2]
    path.parent.unlink()
    spool.append(*sample(3))
    assert not spool.state.failing
