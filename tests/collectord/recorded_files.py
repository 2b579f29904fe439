"""A disk in memory that keeps apart what was written and what was synced, and can crash at any change, or refuse it."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field


class Crash(BaseException):
    """The process, or the machine, has ended in the middle of a call."""


@dataclass
class Content:
    """A file: its bytes as processes see them, and as they were when it was synced last."""

    data: bytes = b""
    synced: bytes = b""


Entries = dict[str, Content]


@dataclass
class Disk:
    """Outlives processes. `changes_left` is how many changes succeed before the crash; None for no crash.

    `refuses`, where it is not 0, is the errno with which every write fails; with `refuses_all` every change.
    """

    rng: random.Random
    capacity: int = 1_000_000
    taken_by_others: int = 0
    changes_left: int | None = None
    refuses: int = 0
    refuses_all: bool = False
    entries: Entries = field(default_factory=dict)
    synced_entries: Entries = field(default_factory=dict)
    unsynced_changes: list[Callable[[Entries], None]] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.capacity - self.taken_by_others - sum(len(content.data) for content in self.entries.values())

    def change(self, writes: bool = False) -> bool:
        """Called before each change; False if it is the one that never ends."""
        if self.refuses and (writes or self.refuses_all):
            raise OSError(self.refuses, os.strerror(self.refuses))
        if self.changes_left is not None:
            self.changes_left -= 1
        return self.changes_left != -1

    def change_entries(self, change: Callable[[Entries], None], writes: bool = False) -> None:
        done = self.change(writes) or self.rng.random() < 0.5
        if done:
            change(self.entries)
            self.unsynced_changes.append(change)
        if self.changes_left == -1:
            raise Crash

    def lose_power(self) -> None:
        """Of what was not synced some is there and some is not, in no order."""
        entries = dict(self.synced_entries)
        for change in self.unsynced_changes:
            if self.rng.random() < 0.5:
                change(entries)
        self.entries, self.synced_entries, self.unsynced_changes = entries, dict(entries), []
        for content in entries.values():
            content.data = content.synced = self._what_is_left(content)

    def _what_is_left(self, content: Content) -> bytes:
        tail = content.data[len(content.synced) :]
        kept = tail[: self.rng.randint(0, len(tail))]
        match self.rng.randrange(4):
            case 0:
                return content.synced
            case 1:
                # The length was there before what it is the length of.
                return content.synced + kept.ljust(len(tail), b"\0")
            case 2:
                hole = self.rng.randint(0, len(kept))
                return content.synced + kept[:hole] + bytes(len(kept[hole : hole + 40])) + kept[hole + 40 :]
            case _:
                return content.synced + kept


def _without(entries: Entries, name: str) -> None:
    entries.pop(name, None)


def _renamed(entries: Entries, name: str, to: str) -> None:
    if name in entries:
        entries[to] = entries.pop(name)


class MemoryFile:
    """A sysmonstm.collectord.spool.files.File."""

    def __init__(self, disk: Disk, content: Content) -> None:
        self._disk = disk
        self._content = content

    def append(self, data: bytes) -> None:
        whole = self._disk.change(writes=True)
        room = max(0, self._disk.free)
        if len(data) > room:
            self._content.data += data[:room]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._content.data += data if whole else data[: self._disk.rng.randint(0, len(data))]
        if not whole:
            raise Crash

    def read(self, offset: int, size: int) -> bytes:
        return self._content.data[offset : offset + size]

    def cut(self, size: int) -> None:
        whole = self._disk.change()
        self._content.data = self._content.data[:size]
        self._content.synced = self._content.synced[:size]
        if not whole:
            raise Crash

    def sync(self) -> None:
        if not self._disk.change():
            raise Crash
        self._content.synced = self._content.data

    def close(self) -> None:
        pass


class MemoryDirectory:
    """A sysmonstm.collectord.spool.files.Directory."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def names(self) -> list[str]:
        return list(self._disk.entries)

    def is_file(self, name: str) -> bool:
        return bool(self._content(name))

    def size(self, name: str) -> int:
        return len(self._content(name).data)

    def create(self, name: str) -> MemoryFile:
        if name in self._disk.entries:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        content = Content()
        self._disk.change_entries(lambda entries: entries.__setitem__(name, content), writes=True)
        return MemoryFile(self._disk, content)

    def open(self, name: str) -> MemoryFile:
        return MemoryFile(self._disk, self._content(name))

    def rename(self, name: str, to: str) -> None:
        self._content(name)
        self._disk.change_entries(lambda entries: _renamed(entries, name, to))

    def unlink(self, name: str) -> None:
        self._content(name)
        self._disk.change_entries(lambda entries: _without(entries, name))

    def sync(self) -> None:
        if not self._disk.change():
            raise Crash
        self._disk.synced_entries = dict(self._disk.entries)
        self._disk.unsynced_changes.clear()

    def total_bytes(self) -> int:
        return self._disk.capacity

    def free_bytes(self) -> int:
        return max(0, self._disk.free)

    def close(self) -> None:
        pass

    def _content(self, name: str) -> Content:
        if name not in self._disk.entries:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._disk.entries[name]
