"""How full file systems are: which are shown is decided from /proc/self/mountinfo, then each is asked by statvfs.

Shown are mounts whose room can run out: local ones on block devices and zfs, and remote ones. Left out are
- what the kernel makes up (proc, cgroup, …) and autofs, which asking would mount;
- images, which are always full: squashfs, iso9660, erofs, and anything read-only on a loop device or FUSE;
- tmpfs and overlay, except as / and /nix/store: elsewhere they are scratch, or show the room of a disk that is shown;
  as / they are the machine itself (a container, an installer, a NixOS whose root is emptied at each start);
- what a container engine mounts for its containers, and what is mounted over single files.
A device that is mounted several times is shown once, at its shortest mount point, but /nix/store always by its name.
Below a directory that is closed to the collector nothing can be asked: such a mount is shown, with nothing known of it.
"""

from __future__ import annotations

import math
import os
import re
import select
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

from sysmonstm import logs
from sysmonstm.collectord.probe import KernelFile, Probe, Row, instance_name, share
from sysmonstm.collectord.worker import Worker
from sysmonstm.metric import Kind, Metric, Unit

log = logs.logger(__name__)

PERCENT = Metric(
    "filesystem.percent", Unit.PERCENT, Kind.GAUGE, "Room in use, of what users can have, as df counts", "mount"
)
USED = Metric("filesystem.used", Unit.BYTES, Kind.GAUGE, "Room in use", "mount")
TOTAL = Metric("filesystem.total", Unit.BYTES, Kind.GAUGE, "Size of the file system", "mount")
INODES_PERCENT = Metric(
    "filesystem.inodes_percent", Unit.PERCENT, Kind.GAUGE, "Inodes in use; not known where there is no limit", "mount"
)

# Seconds that a sample waits for remote file systems, all together. Less than a probe's deadline wherever samples are
# 0.7 s or more apart, so that one that hangs costs its own values only; closer together it costs the local ones too.
PATIENCE = 0.5

IMAGES = frozenset({"squashfs", "iso9660", "erofs", "cramfs", "romfs", "udf"})
NETWORK = frozenset({"afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "orangefs", "smb3"})
# From the host of a virtual machine.
HOST = frozenset({"9p", "virtiofs"})
# fuseblk is on a block device, but a process answers for it. The other kinds of FUSE are "fuse.something".
REMOTE = NETWORK | HOST | {"fuse", "fuseblk"}
ROOTS = frozenset({"/", "/nix/store"})
ENGINES = ("/var/lib/docker/", "/var/lib/containers/", "/run/containerd/", "/var/lib/lxcfs", "/snap/")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo. Names may hold surrogates, for bytes that are not UTF-8.

    `read_only` is said of the file system, whatever the mount is: under systemd's ProtectSystem=strict all mounts are
    read-only for us.
    """

    device: str
    point: str
    type: str
    read_only: bool
    # Or a part of it is mounted, and that may be a single file.
    is_whole: bool = True

    @property
    def may_hang(self) -> bool:
        """Whether something other than this kernel answers for it."""
        return self.type in REMOTE or self.type.startswith("fuse")


_OCTAL = re.compile(r"\\([0-7]{3})")


def _unescape(name: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), name) if "\\" in name else name


def parse_mounts(text: str) -> list[Mount]:
    """The mounts of /proc/self/mountinfo, in its order. Spaces, tabs, newlines and backslashes are escaped there."""
    found = []
    for line in text.split("\n"):
        # Any number of fields about how it propagates end with a dash.
        of_mount, _, of_file_system = line.partition(" - ")
        mount, file_system = of_mount.split(" "), of_file_system.split(" ")
        if len(mount) >= 5 and len(file_system) >= 3:
            (kind, device, text), top = file_system[:3], mount[3]
            options = text.split(",")
            is_whole = top == "/" or f"subvol={top}" in options
            found.append(Mount(_unescape(device), _unescape(mount[4]), kind, "ro" in options, is_whole))
    return found


def has_room(mount: Mount) -> bool:
    """Whether the mount is of a kind whose room can run out and that people watch."""
    if mount.point in ROOTS and mount.type in {"tmpfs", "overlay"}:
        return True
    if mount.type in IMAGES or mount.point.startswith(ENGINES):
        return False
    if mount.type.startswith("fuse."):
        # Below /run/user lie a desktop's portals; read-only ones are AppImages and snaps.
        return not mount.read_only and not mount.point.startswith("/run/user/")
    if mount.type in REMOTE or mount.type == "zfs":
        return True
    image = mount.read_only and mount.device.startswith("/dev/loop")
    return mount.device.startswith("/dev/") and mount.type not in {"devtmpfs", "autofs"} and not image


class Place(Enum):
    """What a mount point is, for us."""

    DIRECTORY = auto()
    CLOSED = auto()
    OTHER = auto()


def place_of(point: str) -> Place:
    """What a mount point is: closed if it lies below a directory that is closed to us; else a file, or gone."""
    try:
        return Place.DIRECTORY if stat.S_ISDIR(Path(point).stat().st_mode) else Place.OTHER
    except PermissionError:
        return Place.CLOSED
    except OSError:
        return Place.OTHER


def shown_mounts(mounts: Iterable[Mount], place_of: Callable[[str], Place]) -> list[Mount]:
    """Those to show, by mount point. `place_of` is asked about local mounts only."""
    # Of several at one point only the last can be seen.
    visible = {mount.point: mount for mount in mounts}.values()
    places = {one: Place.DIRECTORY if one.may_hang else place_of(one.point) for one in visible if has_room(one)}
    once: dict[tuple[str, str], Mount] = {}
    # Where a device is mounted several times, it is asked for where it can be.
    for mount in sorted(places, key=lambda one: (places[one] is Place.CLOSED, len(one.point), one.point)):
        if places[mount] is Place.DIRECTORY or (places[mount] is Place.CLOSED and mount.is_whole):
            kept_apart = mount.point if mount.point == "/nix/store" else ""
            once.setdefault((mount.device, kept_apart), mount)
    return sorted(once.values(), key=lambda one: one.point)


@dataclass(frozen=True, slots=True)
class Usage:
    """What statvfs says of one file system: bytes and inodes; NaN for what is not known."""

    percent: float
    used: float
    total: float
    inodes_percent: float


UNKNOWN = Usage(math.nan, math.nan, math.nan, math.nan)
# The same, because the mount lies below a directory that is closed to us.
CLOSED = Usage(math.nan, math.nan, math.nan, math.nan)
Answers: TypeAlias = SimpleQueue[tuple[Mount, Usage]]


def usage(room: os.statvfs_result) -> Usage:
    """What is used, as df counts: what is reserved for root is neither used nor to be had."""
    used = (room.f_blocks - room.f_bfree) * room.f_frsize
    return Usage(
        percent=share(used, used + room.f_bavail * room.f_frsize),
        used=used,
        total=room.f_blocks * room.f_frsize,
        inodes_percent=share(room.f_files - room.f_ffree, room.f_files),
    )


def _ask(mount: Mount) -> Usage:
    try:
        return usage(os.statvfs(mount.point))
    except PermissionError:
        return CLOSED
    except OSError:
        # Gone since the list was read, or its server is: no probe's failure, and no other mount's.
        return UNKNOWN


def _closed_directory(point: str) -> str:
    """The uppermost directory that keeps us from a mount point."""
    above = [str(directory) for directory in reversed(Path(point).parents)]
    return next((directory for directory in above if not os.access(directory, os.X_OK)), point)


class FilesystemsProbe(Probe):
    """Room and inodes of each shown mount. Those that may hang are asked in a thread each."""

    name = "filesystems"
    metrics = (PERCENT, USED, TOTAL, INODES_PERCENT)

    def __init__(self, ask: Callable[[Mount], Usage] = _ask, mounts: str = "/proc/self/mountinfo") -> None:
        self._ask = ask
        self._mounts = KernelFile(mounts)
        self._shown: list[Mount] | None = None
        self._changes = select.poll()
        self._workers: dict[Mount, Worker[tuple[Mount, Usage]]] = {}
        self._said_closed: set[str] = set()

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - levels need no clock
        """Levels as they are now; NaN for a mount that gave no answer in time."""
        shown = self._up_to_date()
        answers: Answers = SimpleQueue()
        asked = sum(self._offer(mount, answers) for mount in shown if mount.may_hang)
        found = {mount: self._ask(mount) for mount in shown if not mount.may_hang}
        found |= _collect(answers, asked, time.monotonic() + PATIENCE)
        for mount in shown:
            instance, is_full = instance_name(mount.point), found.get(mount, UNKNOWN)
            if is_full is CLOSED:
                self._say_closed(mount.point)
            yield PERCENT, instance, is_full.percent
            yield USED, instance, is_full.used
            yield TOTAL, instance, is_full.total
            yield INODES_PERCENT, instance, is_full.inodes_percent

    def _up_to_date(self) -> list[Mount]:
        """The mounts to show. The list is read only when the kernel says that it has changed."""
        if self._shown is None:
            self._changes.register(self._mounts.descriptor, select.POLLPRI)
        elif not self._changes.poll(0):
            return self._shown
        self._shown = shown_mounts(parse_mounts(self._mounts.read()), place_of)
        for gone in self._workers.keys() - set(self._shown):
            self._workers.pop(gone).close()
        return self._shown

    def _say_closed(self, point: str) -> None:
        if point in self._said_closed:
            return
        self._said_closed.add(point)
        directory = instance_name(_closed_directory(point))
        log.warning(
            "filesystem.closed",
            f"{directory} is closed to the collector: how full what is mounted below it is, is not known",
            mount=instance_name(point),
            hint=f"setfacl -m u:sysmon-collectord:x {directory}, or chmod o+x {directory}",
        )

    def _offer(self, mount: Mount, answers: Answers) -> bool:
        if mount not in self._workers:
            self._workers[mount] = Worker(f"statvfs {instance_name(mount.point)}")
        return self._workers[mount].offer(lambda: (mount, self._ask(mount)), answers.put)


def _collect(answers: Answers, asked: int, until: float) -> dict[Mount, Usage]:
    """As many answers as were asked for, or those that are here at `until`, in monotonic seconds."""
    found: dict[Mount, Usage] = {}
    while len(found) < asked:
        try:
            mount, answer = answers.get(timeout=max(until - time.monotonic(), 0))
        except Empty:
            break
        found[mount] = answer
    return found
