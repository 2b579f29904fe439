"""Reads what NixOS has deployed: links and small files below a root directory, ROOT but for tests."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.collectord.deployment.words import PARTS, Deployment, Running
from sysmonstm.collectord.spool.files import boot_id

ROOT = Path("/")
_CURRENT = "run/current-system"
_BOOTED = "run/booted-system"
_PROFILES = "nix/var/nix/profiles"
_GENERATION = re.compile(r"system-(\d{1,9})-link")
# More than a label or a revision ever has.
_MOST_TEXT = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """What is another one after anything was deployed: where the links lead, and when they were made."""

    current: str
    activated_ns: int
    booted: str
    booted_ns: int
    profile: str


def is_nixos(root: Path) -> bool:
    """Whether NixOS runs below `root`. Guix has such a link too, but not that file."""
    return (root / _CURRENT / "nixos-version").exists()


def deployed(root: Path) -> Deployment | None:
    """What is deployed now; None where there is no NixOS, and in the midst of an activation."""
    now_ns = time.time_ns()
    mark = marked(root) if is_nixos(root) else None
    return settled(root, mark, now_ns) if mark else None


def marked(root: Path) -> Mark | None:
    """The mark of now, at the cost of five system calls; None while an activation makes the link of the system anew."""
    try:
        current, activated_ns = _link(root / _CURRENT)
    except OSError:
        return None
    try:
        booted, booted_ns = _link(root / _BOOTED)
    except OSError:
        booted, booted_ns = "", 0
    return Mark(current, activated_ns, booted, booted_ns, _target(root / _PROFILES / "system"))


def settled(root: Path, mark: Mark, now_ns: int) -> Deployment | None:
    """All of it, for a mark that was just taken; None if anything was deployed meanwhile, as that may mix two systems.

    `now_ns` is a time before the mark was taken, so that no later activation is older.
    """
    found = _read(root, mark, now_ns)
    return found if marked(root) == mark else None


def _read(root: Path, mark: Mark, now_ns: int) -> Deployment:
    # What cannot be read is not known: see Deployment and Running.
    current, profiles = _resolved(root / _CURRENT), root / _PROFILES
    next_boot = _number_of(mark.profile)
    generation, specialisation = _generation_of(current, profiles, next_boot)
    running = Running(
        system=str(current),
        activated_ns=mark.activated_ns,
        seen_ns=now_ns,
        # In a container the kernel's boot is that of its host; without a clock, links are made in 1970 at each boot.
        boot=f"{boot_id().hex()}-{mark.booted_ns}",
        generation=generation,
        specialisation=specialisation,
        revision=_text(current / "etc/sysmonstm/configuration-revision"),
        label=_text(current / "nixos-version"),
    )
    booted = _parts(_resolved(root / _BOOTED)) if mark.booted else None
    return Deployment(running, _parts(current), booted, next_boot)


def _generation_of(system: Path, profiles: Path, own: int | None) -> tuple[int | None, str]:
    """Which generation a system is, and which specialisation of it; the profile's own first, then the newest first."""
    for number in _generations(profiles, own):
        path = _resolved(profiles / f"system-{number}-link")
        if path == system:
            return number, ""
        for name in _names(path / "specialisation"):
            if _resolved(path / "specialisation" / name) == system:
                return number, name
    return None, ""


def _generations(profiles: Path, own: int | None) -> Iterator[int]:
    if own is not None:
        yield own
    numbers = {number for name in _names(profiles) if (number := _number_of(name)) is not None}
    yield from sorted(numbers - {own}, reverse=True)


def _number_of(link: str) -> int | None:
    found = _GENERATION.fullmatch(Path(link).name)
    return int(found[1]) if found else None


def _parts(system: Path) -> tuple[str, ...]:
    links = [system / name for name in PARTS]
    return tuple(str(_resolved(link)) if os.path.lexists(link) else "" for link in links)


def _resolved(path: Path) -> Path:
    # Path.resolve raises where links lead in a circle.
    return Path(os.path.realpath(path))


def _link(path: Path) -> tuple[str, int]:
    return str(path.readlink()), path.lstat().st_mtime_ns


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _names(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_TEXT).strip()
    except OSError:
        return ""
