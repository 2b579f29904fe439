"""Whether the collector can keep samples that the hub does not take, and how many wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.ctl.doctor.disk import Room, room
from sysmonstm.ctl.doctor.finding import Finding, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import Place
from sysmonstm.ctl.format import duration_text

# Where StateDirectory= of a DynamicUser= is.
OF_SERVICE = Path("/var/lib/private/sysmonstm/collector")
MIB = 2**20
# The segment that is written is there, though nothing waits in it.
SETTLED_BYTES = 5 * MIB
PATIENCE_SECONDS = 600.0
NEARLY_FULL = 0.8


@dataclass(frozen=True, slots=True)
class Spool:
    """What is in it: bytes in files, when the oldest was begun (seconds since 1970), and what its disk has."""

    path: Path
    bytes: int
    oldest: float
    room: Room


def check(place: Place) -> list[Finding]:
    """Look into it."""
    if place.daemon("collectord") is None:
        return []
    told = place.text("collectord", "spool_directory")
    path = Path(told) if told and not place.by_systemd else OF_SERVICE
    try:
        spool = look(path)
    except PermissionError:
        return [unseen(f"{path} may not be looked into", "ask again as root: sudo sysmonctl doctor")]
    except OSError as error:
        sentence = f"the collector's spool {path} cannot be used: {error.strerror}"
        return [fail(sentence, "systemctl restart sysmon-collectord")]
    return judge(spool, _number(place, "spool_bytes"), _number(place, "spool_free_bytes"), time.time())


def _number(place: Place, field: str) -> int:
    try:
        return int(str(place.setting("collectord", field)))
    except ValueError:
        return 0


def look(path: Path) -> Spool:
    """OSError if it cannot be looked at."""
    files = [one.stat() for one in path.iterdir() if ".spool" in one.name]
    left = room(path)
    if left is None:
        raise FileNotFoundError(2, "it is not there")
    oldest = min((one.st_mtime for one in files), default=time.time())
    return Spool(path, sum(one.st_size for one in files), oldest, left)


def judge(spool: Spool, most_bytes: int, least_free: int, now: float) -> list[Finding]:
    """What is to be said of a spool that may have `most_bytes`, and must leave `least_free`; 0 if not known."""
    if spool.room.read_only:
        sentence = f"{spool.path} cannot be written: its file system is read-only"
        return [fail(sentence, f"findmnt --target {spool.path}")]
    if spool.room.free < least_free:
        sentence = f"the spool keeps nothing more: only {spool.room.free // MIB} MiB of its disk are left"
        return [fail(sentence, "du -xh --max-depth=2 /var | sort -h | tail")]
    waits = f"{spool.bytes // MIB} MiB of samples wait for the hub"
    if most_bytes and spool.bytes > NEARLY_FULL * most_bytes:
        return [fail(f"{waits}; the spool is nearly full, and the oldest go next", "see what is said of the hub above")]
    age = now - spool.oldest
    if spool.bytes > SETTLED_BYTES and age > PATIENCE_SECONDS:
        return [warn(f"{waits}, the oldest for {duration_text(age)}", "see what is said of the hub above")]
    return [ok("no sample waits for long")]
