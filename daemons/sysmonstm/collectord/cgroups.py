"""The control groups of services and slices: which there are, and what the kernel has counted for each."""

from __future__ import annotations

import errno
import math
import os
import re
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

ROOT = "/sys/fs/cgroup"

# As many of the tree's slices are looked into, whatever the tree is like.
MOST_SLICES = 1000
# A group that comes just when another one goes leaves the counts that are watched as they are; it is found by then.
LOOK_AGAIN_SECONDS = 60.0

_CHUNK = 16_384
_TOTAL = b"total="
_IO_LINE = re.compile(rb"^(\d+:\d+) rbytes=(\d+) wbytes=(\d+)", re.MULTILINE)
# What systemd-run and its like call what they make up for one command.
_TRANSIENT = re.compile(r"run-.*\.(?:service|slice)")


class GoneError(Exception):
    """The group was removed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the kernel has counted for a group; NaN is not counted here.

    `cpu` and the stalls are in microseconds, `memory` in bytes as of now, `read` and `written` in bytes: of devices
    that do the work themselves, and of those that pass it on to them (dm, md).
    """

    cpu: float = math.nan
    memory: float = math.nan
    read: tuple[float, float] = (math.nan, math.nan)
    written: tuple[float, float] = (math.nan, math.nan)
    cpu_stall: float = math.nan
    memory_stall: float = math.nan
    io_stall: float = math.nan


def parse_cpu(text: bytes) -> float:
    """CPU time in microseconds, from cpu.stat, whose first line it is."""
    return float(text[len(b"usage_usec ") : text.index(b"\n")])


def parse_stall(text: bytes) -> float:
    """Microseconds in which some task waited, from a pressure file, whose first line it is in."""
    start = text.index(_TOTAL) + len(_TOTAL)
    return float(text[start : text.index(b"\n", start)])


def parse_io(text: bytes, passes_on: Callable[[str], bool]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Bytes read and written, from io.stat; each by devices that do the work, and by those that `passes_on` names."""
    read, written = [0.0, 0.0], [0.0, 0.0]
    for device, read_bytes, written_bytes in _IO_LINE.findall(text):
        column = int(passes_on(device.decode()))
        read[column] += int(read_bytes)
        written[column] += int(written_bytes)
    return (read[0], read[1]), (written[0], written[1])


class Group:
    """One group, whose files stay open: that makes reading them three times as cheap."""

    __slots__ = ("_files",)
    NAMES = ("cpu.stat", "memory.current", "io.stat", "cpu.pressure", "memory.pressure", "io.pressure")

    def __init__(self, path: str) -> None:
        """A file that cannot be opened counts nothing: its controller is off, or the kernel has none."""
        self._files: list[int] = []
        try:
            for name in self.NAMES:
                self._files.append(_opened(f"{path}/{name}"))
        except OSError:
            self.close()
            raise

    def read(self, passes_on: Callable[[str], bool]) -> Usage:
        """What is counted now; GoneError if the group was removed. `passes_on` is as parse_io has it."""
        if max(self._files) < 0:
            raise GoneError
        cpu, memory, io, *stalls = map(_content, self._files)
        read, written = parse_io(io, passes_on) if self._files[2] >= 0 else ((math.nan,) * 2, (math.nan,) * 2)
        cpu_stall, memory_stall, io_stall = (parse_stall(text) if text else math.nan for text in stalls)
        return Usage(
            cpu=parse_cpu(cpu) if cpu else math.nan,
            memory=float(memory) if memory else math.nan,
            read=read,
            written=written,
            cpu_stall=cpu_stall,
            memory_stall=memory_stall,
            io_stall=io_stall,
        )

    def close(self) -> None:
        """Let go of the files."""
        for number in self._files:
            if number >= 0:
                os.close(number)
        self._files = []


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        # Out of descriptors is no reason to say that there is nothing.
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return -1


def _content(number: int) -> bytes:
    if number < 0:
        return b""
    try:
        return os.pread(number, _CHUNK, 0)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise GoneError from None
        # Pressure is refused where it was switched off (cgroup.pressure).
        if error.errno == errno.EOPNOTSUPP:
            return b""
        raise


def is_shown(name: str) -> bool:
    """Whether a group is that of a service or a slice that somebody has given a name."""
    return name.endswith((".service", ".slice")) and not _TRANSIENT.fullmatch(name)


@dataclass(slots=True)
class Tree:
    """The groups of systemd's units below `root`, slices before what is in them. Below a service nothing is looked at:
    a manager of its own (of a user, of a container) has its units there.
    """

    root: str = ROOT
    paths: dict[str, str] = field(default_factory=dict)
    # Links of each directory that was looked into: one for each group in it, and two.
    _links: dict[str, int] = field(default_factory=dict)
    looked_at: float = -math.inf

    def look(self, now: float) -> None:
        """Look whether groups came or went, at `now` in monotonic seconds; `paths` by unit names are as of then."""
        if now - self.looked_at >= LOOK_AGAIN_SECONDS or any(_links(path) != n for path, n in self._links.items()):
            self.look_anew(now)

    def look_anew(self, now: float) -> None:
        """Walk the tree."""
        self.paths, self._links, self.looked_at = {}, {}, now
        waiting = deque([self.root])
        while waiting and len(self._links) < MOST_SLICES:
            path = waiting.popleft()
            self._links[path] = _links(path)
            for name in sorted(_groups(path)):
                if not is_shown(name):
                    continue
                self.paths.setdefault(name.removeprefix("_"), f"{path}/{name}")
                if name.endswith(".slice"):
                    waiting.append(f"{path}/{name}")


def _links(path: str) -> int:
    try:
        return os.stat(path).st_nlink  # noqa: PTH116 - half the cost of a Path
    except OSError:
        return -1


def _groups(path: str) -> Collection[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        # It went just now.
        return []
