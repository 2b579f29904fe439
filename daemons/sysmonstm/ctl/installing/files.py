"""Files that `install` writes and keeps up to date for as long as nobody else has changed them.

Their first line carries a checksum of the rest. Where it does not fit, somebody has edited the file, and it is theirs.
"""

from __future__ import annotations

import enum
import hashlib
import re
from pathlib import Path

from sysmonstm.ctl.installing.steps import Steps

_MARK = re.compile(r"# Written by `sysmonctl install` \(([0-9a-f]{16})\).*\n")


class State(enum.Enum):
    """What is there already."""

    ABSENT = enum.auto()
    OURS = enum.auto()
    EDITED = enum.auto()


def marked(text: str) -> str:
    """The text as it is written, below its mark."""
    return f"# Written by `sysmonctl install` ({_checksum(text)}), which leaves it alone once it is edited.\n{text}"


def state(file: Path) -> State:
    """Whose the file is."""
    if not file.is_file():
        return State.ABSENT
    whole = file.read_text(errors="replace")
    mark = _MARK.match(whole)
    return State.OURS if mark and mark[1] == _checksum(whole[mark.end() :]) else State.EDITED


def put(steps: Steps, path: Path, text: str) -> bool:
    """Bring a file up to date, 0644; whether that changed anything. An edited one is kept, and said."""
    file = steps.at(path)
    found = state(file)
    if found is State.EDITED:
        steps.say(f"keep {path}, which has been edited")
        return False
    if is_written(steps, path, text):
        return False
    steps.take(f"write {path}", lambda: _write(file, marked(text)))
    return True


def is_written(steps: Steps, path: Path, text: str) -> bool:
    """Whether the file is ours and up to date."""
    file = steps.at(path)
    return file.is_file() and file.read_text(errors="replace") == marked(text)


def take_away(steps: Steps, path: Path) -> None:
    """Remove a file, unless it has been edited, and the directory of drop-ins that it leaves empty."""
    file = steps.at(path)
    found = state(file)
    if found is State.EDITED:
        steps.say(f"keep {path}, which has been edited")
    if found is State.OURS:
        steps.take(f"remove {path}", lambda: _remove(file))


def make_private_directory(steps: Steps, path: Path) -> None:
    """A directory that only root may enter; one that is there stays as it is."""
    directory = steps.at(path)
    if not directory.is_dir():
        steps.take(f"make {path}, for secrets", lambda: _make_private(directory))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(file: Path, text: str) -> None:
    _make_parents(file.parent)
    # Whole or not at all: systemd may read it at any time.
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text)
    partial.chmod(0o644)
    partial.replace(file)


def _make_private(directory: Path) -> None:
    _make_parents(directory.parent)
    directory.mkdir(mode=0o700)


def _make_parents(directory: Path) -> None:
    """Directories that everybody may enter, whatever root's umask says."""
    for one in reversed([directory, *directory.parents]):
        if not one.exists():
            one.mkdir()
            one.chmod(0o755)


def _remove(file: Path) -> None:
    file.unlink()
    if file.parent.name.endswith(".d") and not any(file.parent.iterdir()):
        file.parent.rmdir()
