"""The few things that the spool does with files, each behind a method, so that a test can crash at any of them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Protocol
from uuid import UUID

from sysmonstm import logs
from sysmonstm.config import UserError

log = logs.logger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HINT = "choose another directory with COLLECTOR_SPOOL_DIRECTORY"


class File(Protocol):
    """An open file. Every method may raise OSError."""

    def append(self, data: bytes) -> None:
        """Write at the end. A part may have been written when this raises."""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on; none behind the end."""

    def cut(self, size: int) -> None:
        """Take away what is behind `size`."""

    def sync(self) -> None:
        """Return when its content would outlive a power cut."""

    def close(self) -> None:
        """Let go of it."""


class Directory(Protocol):
    """The directory of a spool, held for this process. Every method may raise OSError."""

    def names(self) -> list[str]:
        """Of the files in it."""

    def is_file(self, name: str) -> bool:
        """Whether it is neither a directory nor a link or anything else."""

    def size(self, name: str) -> int:
        """Of a file, in bytes."""

    def create(self, name: str) -> File:
        """A new empty file, to append to and to read."""

    def open(self, name: str) -> File:
        """A file that is there, to read."""

    def rename(self, name: str, to: str) -> None:
        """Give a file another name."""

    def unlink(self, name: str) -> None:
        """Delete a file."""

    def sync(self) -> None:
        """Return when what was created, renamed and deleted would outlive a power cut."""

    def total_bytes(self) -> int:
        """Size of its file system."""

    def free_bytes(self) -> int:
        """What there is left for us in its file system."""

    def close(self) -> None:
        """Let another process have it."""


class DiskFile:
    """A real file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        """A short write is gone on with, until all is written or the system says why not.

        FileNotFoundError where somebody has deleted the file.
        """
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        written = os.write(self._descriptor, data)
        while written < len(data):
            written += os.write(self._descriptor, data[written:])

    def read(self, offset: int, size: int) -> bytes:
        """By pread."""
        return os.pread(self._descriptor, size, offset)

    def cut(self, size: int) -> None:
        """By ftruncate, which needs no room."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """By fdatasync, which writes the size too."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Errors of writes that the kernel has put off are told by `sync`."""
        os.close(self._descriptor)


class DiskDirectory:
    """A real directory, locked against other collectors for as long as it is open."""

    def __init__(self, path: Path) -> None:
        """UserError if it cannot be made or written, or another collector has it."""
        self._path = path
        try:
            self._descriptor, self._lock = _made(path)
        except BlockingIOError:
            raise UserError(f"another collector keeps its samples in {path}; stop that one, or {_HINT}") from None
        except OSError as error:
            raise UserError(f"samples cannot be kept in {path}: {error.strerror}; {_HINT}") from None

    def names(self) -> list[str]:
        """The lock is one of them."""
        with os.scandir(self._descriptor) as entries:
            return [entry.name for entry in entries]

    def is_file(self, name: str) -> bool:
        """As lstat says."""
        return stat.S_ISREG(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode)

    def size(self, name: str) -> int:
        """As stat says."""
        return os.stat(name, dir_fd=self._descriptor).st_size

    def create(self, name: str) -> DiskFile:
        """Readable by its owner only. A directory that was removed is made again, and locked."""
        if not os.fstat(self._descriptor).st_nlink:
            self._make_again()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return DiskFile(os.open(name, flags, 0o600, dir_fd=self._descriptor))

    def open(self, name: str) -> DiskFile:
        """A link in the place of a file is not followed, and a pipe not waited for."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return DiskFile(os.open(name, flags, dir_fd=self._descriptor))

    def rename(self, name: str, to: str) -> None:
        """Within the directory."""
        os.rename(name, to, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def unlink(self, name: str) -> None:
        """Its room may come back only when who reads it has closed it."""
        os.unlink(name, dir_fd=self._descriptor)

    def sync(self) -> None:
        """By fsync of the directory."""
        os.fsync(self._descriptor)

    def total_bytes(self) -> int:
        """As statvfs says."""
        stat = os.fstatvfs(self._descriptor)
        return stat.f_blocks * stat.f_frsize

    def free_bytes(self) -> int:
        """As statvfs says, without what is kept for root."""
        stat = os.fstatvfs(self._descriptor)
        return stat.f_bavail * stat.f_frsize

    def close(self) -> None:
        """The lock goes with its descriptor."""
        os.close(self._descriptor)
        os.close(self._lock)

    def _make_again(self) -> None:
        descriptor, lock = _made(self._path)
        self.close()
        self._descriptor, self._lock = descriptor, lock
        log.warning(
            "spool.removed",
            "somebody has removed the directory of waiting samples: it is made again; the newest are in memory yet",
            directory=str(self._path),
        )


def _made(path: Path) -> tuple[int, int]:
    """Descriptors of the directory and of its lock, which is held; BlockingIOError if another process holds it."""
    # Frames say much of a machine. What others have made keeps its rights, as they may need it.
    path.mkdir(0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=descriptor)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, lock


def boot_id() -> bytes:
    """16 bytes that are others after each start of the machine; after each call where the kernel has none."""
    try:
        return UUID(_BOOT_ID.read_text().strip()).bytes
    except (OSError, ValueError):
        return os.urandom(16)
