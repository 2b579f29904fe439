"""A control group for each machine: the roof of its own tree of groups, and what nobody in it escapes from."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

PATIENCE_SECONDS = 10.0


def _roots() -> list[Path]:
    """Where the unified hierarchy is mounted, then that of systemd's own where there is one."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    unified = [Path(where) for _, where, kind, *_ in mounts if kind == "cgroup2"]
    named = [Path(where) for _, where, kind, options, *_ in mounts if kind == "cgroup" and "name=systemd" in options]
    assert unified, "this machine has no unified hierarchy of control groups"
    return [unified[0], *named]


class ControlGroup:
    """Of one machine, by a name that no other has on this host."""

    def __init__(self, name: str) -> None:
        self.directories = [root / name for root in _roots()]

    def make(self) -> None:
        for directory in self.directories:
            directory.mkdir(exist_ok=True)

    def end(self) -> None:
        """Kill all that is in it, and take it away."""
        unified = self.directories[0]
        if unified.exists():
            (unified / "cgroup.kill").write_text("1")
            deadline = time.monotonic() + PATIENCE_SECONDS
            while "populated 1" in (unified / "cgroup.events").read_text():
                assert time.monotonic() < deadline, f"processes in {unified} outlive a kill"
                time.sleep(0.02)
        for directory in self.directories:
            for inner in sorted(directory.rglob("*/"), reverse=True):
                if inner.is_dir():
                    inner.rmdir()
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()
