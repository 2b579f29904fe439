"""The state directory of `sysmonctl up`: where it is, its lock, and its log files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sysmonstm.config import UserError

LOG_BYTES = 10_000_000


def state_directory(chosen: Path | None, environ: Mapping[str, str], root: bool) -> Path:
    """`chosen`, else SYSMON_STATE_DIR, else /var/lib/sysmonstm for root and ~/.local/state/sysmonstm for others."""
    if chosen is not None:
        return chosen.absolute()
    if named := environ.get("SYSMON_STATE_DIR"):
        return Path(named).absolute()
    if root:
        return Path("/var/lib/sysmonstm")
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return Path(home) / "sysmonstm"


def make_directory(path: Path, mode: int = 0o711) -> Path:
    """Make it, and those above it, where they are not there; UserError if that cannot be.

    By default others may pass through it and no more, as PostgreSQL's account must when we are root.
    """
    try:
        path.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be made: {error.strerror}; choose another directory with --state") from None
    return path


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the state directory for this process; UserError if it cannot be written or another `up` holds it."""
    try:
        # Kept open, so held until the block ends or the process does, however it does.
        file = (make_directory(state) / "lock").open("a")
    except OSError as error:
        raise UserError(f"{state} cannot be written: {error.strerror}; choose another directory with --state") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"sysmonctl up runs already with its data in {state}; stop that one, or choose another with --state"
            ) from None
        yield


def log_file(state: Path, name: str) -> Path:
    """Path of the log of that name, ready to append to; when it has grown past 10 MB it first moves to `.1`."""
    path = make_directory(state / "logs") / f"{name}.log"
    try:
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        # Owner and permissions of a log that is there stay as they are.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another directory with --state") from None
    return path
