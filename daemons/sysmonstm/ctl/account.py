"""The account that PostgreSQL runs as: ourselves, or an existing unprivileged one when we are root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.config import UserError

# PostgreSQL refuses to run as root. Both exist for others already; no account is ever made.
UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a child process runs as; `user` and `group` are None for ourselves."""

    name: str
    user: int | None = None
    group: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """None of ours."""
        return None if self.user is None else []

    def own(self, path: Path) -> None:
        """Make it the owner of what we have made."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)

    def reaches(self, path: Path) -> bool:
        """Whether it may enter this directory, or execute this file."""
        if self.user is None:
            return os.access(path, os.X_OK)
        # Asking as that account is right where mode bits are not the whole truth (ACLs, mount options).
        try:
            asked = subprocess.run(
                ["/bin/sh", "-c", 'test -x "$1"', "sh", path],
                cwd="/",
                user=self.user,
                group=self.group,
                extra_groups=self.extra_groups,
                check=False,
            )
        except (PermissionError, subprocess.SubprocessError):
            raise UserError(
                f"PostgreSQL refuses root, and this root may not become {self.name}; run it as an ordinary user"
            ) from None
        return asked.returncode == 0


OURSELVES = Account("yourself")


def for_postgres() -> Account:
    """Whom PostgreSQL runs as here; UserError if we are root and there is no account for it."""
    if os.geteuid() != 0:
        return OURSELVES
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise UserError("PostgreSQL refuses to run as root, and there is no account postgres or nobody; run it as a user")


def copy_for_others(source: Path, target: Path, pause: Callable[[float], None]) -> None:
    """Copy a directory of programs so that every account can run them, wherever `source` lies: all of it or nothing.

    `pause` is called now and then, with 0 seconds; it may raise.
    """

    def copy(one: str, other: str) -> None:
        pause(0)
        shutil.copy2(one, other)

    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    ignore = shutil.ignore_patterns("include", "*.a", "__pycache__")
    shutil.copytree(source, partial, symlinks=True, ignore=ignore, copy_function=copy)
    for directory, _, files in os.walk(partial):
        Path(directory).chmod(0o755)
        for file in (Path(directory, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
    partial.rename(target)
