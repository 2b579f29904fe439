"""Whether this process may read the machine's journal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

DIRECTORIES = (Path("/var/log/journal"), Path("/run/log/journal"))


def why_unreadable(directories: Sequence[Path] = DIRECTORIES, path: str | None = None) -> str:
    """Why it may not, in a sentence; empty if it may. `path` is where programs are looked for, by default PATH."""
    if not shutil.which("journalctl", path=path):
        return "there is no journalctl"
    if not any(directory.is_dir() for directory in directories):
        return "this machine keeps no journal"
    # What may not be listed may not be read.
    files = [file for directory in directories for file in directory.glob("*/system.journal")]
    if not any(os.access(file, os.R_OK) for file in files):
        return "the journal may not be read; the group systemd-journal may"
    return ""
