"""Whether the file systems that data lie on have room left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.ctl.doctor.finding import Finding, fail, ok, warn
from sysmonstm.ctl.doctor.place import Place

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has, and what is left of it for us, in bytes."""

    path: Path
    size: int
    free: int
    files_left: bool = True
    read_only: bool = False


def check(place: Place) -> list[Finding]:
    """Where the system, the journal and our own data are."""
    paths = [Path("/"), Path("/var"), *([place.state] if place.state else [])]
    rooms: dict[int, Room] = {}
    for path in paths:
        if left := room(path):
            rooms.setdefault(path.stat().st_dev, left)
    return judge_room(rooms.values())


def room(path: Path) -> Room | None:
    """Of the file system that it is on; None if that may not be looked at."""
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    # Some file systems count no files.
    return Room(path, size, free, not status.f_files or status.f_favail > 0, bool(status.f_flag & os.ST_RDONLY))


def judge_room(rooms: Iterable[Room]) -> list[Finding]:
    """What is to be said of them; of each that is short, where the room is."""
    found: list[Finding] = []
    least: Room | None = None
    for one in rooms:
        least = one if least is None or one.free < least.free else least
        look = f"du -xh --max-depth=2 {one.path} | sort -h | tail"
        if not one.files_left:
            found.append(fail(f"the file system of {one.path} can hold no more files", look))
        elif one.free < 256 * MIB or one.free < one.size * 0.02:
            found.append(fail(f"the file system of {one.path} is full: {_amount(one.free)} are left", look))
        elif one.free < 2 * GIB and one.free < one.size * 0.1:
            found.append(warn(f"the file system of {one.path} is nearly full: {_amount(one.free)} are left", look))
    if found or least is None:
        return found
    return [ok(f"the disks have room: {_amount(least.free)} at least")]


def _amount(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count // MIB} MiB"
